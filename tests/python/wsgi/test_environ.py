"""What an application finds in its environ (PEP 3333, "environ Variables"; RFC 3875)."""

import json

import pytest


def environ(server, target="/environ", headers=(), method="GET", body=None):
    reply = server.request(method, target, body, headers)
    assert reply.status == 200
    return {key: value for key, (_, value) in json.loads(reply.body).items()}


def raw_environ(server, request):
    head, _, body = server.raw(request).partition(b"\r\n\r\n")
    assert head.split()[1] == b"200", head
    return {key: value for key, (_, value) in json.loads(body).items()}


def test_has_all_that_is_required_as_builtin_types(server):
    typed = json.loads(server.get("/environ").body)
    types = {key: kind for key, (kind, _) in typed.items()}
    for key in ("REQUEST_METHOD", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "SERVER_NAME", "SERVER_PORT", "SERVER_PROTOCOL", "REMOTE_ADDR", "REMOTE_PORT",
                "RAW_URI", "REQUEST_URI", "SERVER_SOFTWARE", "wsgi.url_scheme", "prefork.request_id"):
        assert types[key] == "str", key
    assert types["wsgi.version"] == "tuple" and typed["wsgi.version"][1] == "(1, 0)"
    for key in ("wsgi.multithread", "wsgi.multiprocess", "wsgi.run_once", "wsgi.input_terminated"):
        assert types[key] == "bool", key
    assert types["prefork.queue_time"] == "float" and typed["prefork.queue_time"][1] >= 0


def test_tells_who_asked_for_what(server):
    seen = environ(server, "/environ/a%20b?q=%20&r", {"Content-Type": "text/x"}, "POST", b"abcd")
    assert seen["REQUEST_METHOD"] == "POST"
    assert (seen["PATH_INFO"], seen["QUERY_STRING"]) == ("/environ/a b", "q=%20&r")
    assert seen["RAW_URI"] == seen["REQUEST_URI"] == "/environ/a%20b?q=%20&r"
    assert (seen["CONTENT_TYPE"], seen["CONTENT_LENGTH"]) == ("text/x", "4")
    assert (seen["SERVER_PROTOCOL"], seen["SERVER_PORT"]) == ("HTTP/1.1", str(server.port))
    assert seen["REMOTE_ADDR"] == "127.0.0.1" and seen["REMOTE_PORT"].isdigit()
    assert "HTTP_CONTENT_TYPE" not in seen and "HTTP_CONTENT_LENGTH" not in seen


@pytest.mark.parametrize("path, expected", [
    ("/environ/%C3%A9%E2%98%83", "/environ/\xc3\xa9\xe2\x98\x83"), ("/environ/%FF", "/environ/\xff"), ("/environ/a%252F", "/environ/a%2F"),
    ("/environ/a+b;c=1,2", "/environ/a+b;c=1,2"), ("/environ//a///", "/environ//a///"),
])
def test_path_info_is_the_decoded_bytes_as_latin_1(server, path, expected):
    assert environ(server, path)["PATH_INFO"] == expected


def test_joins_fields_that_come_twice(server):
    seen = raw_environ(server, "GET /environ HTTP/1.1\r\nHost: h\r\nConnection: close\r\nX-A: 1\r\nCookie: a=1\r\nX-A: 2\r\nCookie: b=2\r\nAccept: a/b\r\nAccept: c/d\r\n\r\n")
    assert (seen["HTTP_X_A"], seen["HTTP_COOKIE"], seen["HTTP_ACCEPT"]) == ("1,2", "a=1; b=2", "a/b,c/d")


def test_a_name_with_an_underscore_cannot_pose_as_another(server):
    seen = environ(server, headers={"X_A": "bad", "X-A": "good"})
    assert seen["HTTP_X_A"] == "good"


def test_no_header_becomes_http_proxy(server):
    assert "HTTP_PROXY" not in environ(server, headers={"Proxy": "http://evil/"})


def test_http_1_0_without_host_has_a_server_name(server):
    seen = raw_environ(server, "GET /environ HTTP/1.0\r\n\r\n")
    assert seen["SERVER_PROTOCOL"] == "HTTP/1.0" and seen["SERVER_NAME"] and "HTTP_HOST" not in seen


def test_nothing_of_a_request_stays_for_the_next_on_the_connection(server):
    client = server.client()
    client.request("POST", "/environ?secret", b"body", {"Authorization": "Basic eDp5", "X-Own": "1", "Content-Type": "a/b", "Cookie": "c=1"})
    client.getresponse().read()
    client.request("GET", "/environ", headers={"Accept": "a/b"})
    seen = {key for key, value in json.loads(client.getresponse().read()).items()}
    client.close()
    assert not seen & {"HTTP_AUTHORIZATION", "HTTP_X_OWN", "CONTENT_TYPE", "CONTENT_LENGTH", "HTTP_COOKIE"}


def test_many_clients_in_turn_see_their_own_headers_only(server):
    for i in range(100):
        names = {f"X-{i % 7}": str(i), ("Accept", "User-Agent", "Referer", "Origin", "Dnt")[i % 5]: f"v{i}"}
        seen = environ(server, headers=names)
        own = {key for key in seen if key.startswith("HTTP_")} - {"HTTP_HOST", "HTTP_ACCEPT_ENCODING"}
        assert own == {"HTTP_" + name.upper().replace("-", "_") for name in names}


def test_a_unix_socket_has_no_peer_address(serve, tmp_path):
    server = serve("wsgi_apps:app", bind=f"unix:{tmp_path}/s")
    seen = environ(server, headers={"Host": "kit.example:8443"})
    assert (seen["REMOTE_ADDR"], seen["SERVER_NAME"], seen["SERVER_PORT"]) == ("", "kit.example", "8443")


def test_the_script_name_is_taken_off_the_path(serve):
    server = serve("wsgi_apps:app", env={"SCRIPT_NAME": "/front"}, ready="/front/")
    seen = environ(server, "/front/environ/x")
    assert (seen["SCRIPT_NAME"], seen["PATH_INFO"]) == ("/front", "/environ/x")
    server.expect(r"\[ERROR\][^\n]*SCRIPT_NAME[^\n]*/frontier")
    assert server.get("/frontier").status == 500


def test_says_whether_threads_and_processes_run_beside(serve):
    assert json.loads(serve("wsgi_apps:app", "--threads", "3", workers=2).get("/threads").body)[:2] == [True, True]
    assert json.loads(serve("wsgi_apps:app").get("/threads").body)[:2] == [False, False]
