"""What proxies say about clients: header x trust x setting."""

import json
import os

import pytest

APP = "dropin_app:app"
TRUST_NOBODY = ("--forwarded-allow-ips", "192.0.2.1")


@pytest.fixture(scope="module")
def plain(serve_module):
    return serve_module(APP)


@pytest.fixture(scope="module")
def untrusting(serve_module):
    return serve_module(APP, *TRUST_NOBODY)


@pytest.fixture(scope="module")
def applying(serve_module):
    return serve_module(APP, "--proxy-headers")


def shown(server, **headers):
    reply = server.get("/a", {name.replace("_", "-"): value for name, value in headers.items()})
    assert reply.status == 200
    return json.loads(reply.body)


@pytest.mark.parametrize(("name", "value", "scheme"), [
    ("X_Forwarded_Proto", "https", "https"), ("X_Forwarded_Proto", "http", "http"), ("X_Forwarded_Ssl", "on", "https"),
    ("X_Forwarded_Ssl", "off", "http"), ("X_Forwarded_Protocol", "ssl", "https"),
])
def test_scheme_counts_from_trusted_peers_only(plain, untrusting, name, value, scheme):
    assert shown(plain, **{name: value})["wsgi.url_scheme"] == scheme
    assert shown(untrusting, **{name: value})["wsgi.url_scheme"] == "http"


def test_contradicting_schemes_are_refused(plain, untrusting):
    headers = {"X-Forwarded-Proto": "https", "X-Forwarded-Ssl": "off"}
    assert plain.get("/", headers).status == 400
    assert untrusting.get("/", headers).status == 200


def test_remote_addr_stays_the_peer_as_with_gunicorn(plain):
    assert shown(plain, X_Forwarded_For="192.0.2.9")["REMOTE_ADDR"] == "127.0.0.1"


def test_proxy_headers_puts_the_client_in_its_place(applying):
    seen = shown(applying, X_Forwarded_For="203.0.113.5, 192.0.2.9", X_Forwarded_Proto="https", X_Forwarded_Host="www.example.org", X_Forwarded_Port="443")
    assert seen["REMOTE_ADDR"] == "192.0.2.9"
    assert seen["wsgi.url_scheme"] == "https"
    assert seen["SERVER_PORT"] == "443"


def test_forwarded_of_rfc_7239(applying):
    seen = shown(applying, Forwarded='for="[2001:db8::7]:4711";proto=https')
    assert (seen["REMOTE_ADDR"], seen["REMOTE_PORT"], seen["wsgi.url_scheme"]) == ("2001:db8::7", "4711", "https")


def test_trusted_hops_counts_from_the_right(serve):
    server = serve(APP, "--proxy-headers", "--trusted-hops", "2")
    assert shown(server, X_Forwarded_For="203.0.113.5, 192.0.2.9, 10.0.0.1")["REMOTE_ADDR"] == "192.0.2.9"
    assert shown(server, X_Forwarded_For="10.0.0.1")["REMOTE_ADDR"] == "127.0.0.1"


def test_nothing_changes_for_untrusted_peers(serve):
    server = serve(APP, "--proxy-headers", *TRUST_NOBODY)
    seen = shown(server, X_Forwarded_For="192.0.2.9", X_Forwarded_Proto="https", X_Request_ID="forged")
    assert (seen["REMOTE_ADDR"], seen["wsgi.url_scheme"]) == ("127.0.0.1", "http")
    assert seen["prefork.request_id"] != "forged"


def test_script_name_of_a_trusted_proxy(plain, untrusting):
    seen = json.loads(plain.get("/app/x", {"SCRIPT_NAME": "/app"}).body)
    assert (seen["SCRIPT_NAME"], seen["PATH_INFO"]) == ("/app", "/x")
    seen = json.loads(untrusting.get("/app/x", {"SCRIPT_NAME": "/app"}).body)
    assert (seen["SCRIPT_NAME"], seen["PATH_INFO"]) == ("", "/app/x")


@pytest.mark.parametrize(("setting", "status", "kept"), [("drop", 200, False), ("refuse", 400, False), ("dangerous", 200, True)])
def test_header_map_drops_refuses_or_keeps_underscores(serve, setting, status, kept):
    server = serve(APP, "--header-map", setting)
    reply = server.get("/", {"X_Under_Score": "1"})
    assert reply.status == status
    assert (b"HTTP_X_UNDER_SCORE" in reply.body) == kept


def test_unix_peers_are_trusted(serve, tmp_path):
    server = serve(APP, *TRUST_NOBODY, "--proxy-headers", bind=f"unix:{tmp_path}/s.sock")
    seen = shown(server, X_Forwarded_For="192.0.2.9", X_Forwarded_Proto="https", Host="www.example.org")
    assert (seen["REMOTE_ADDR"], seen["SERVER_NAME"], seen["SERVER_PORT"], seen["wsgi.url_scheme"]) == ("192.0.2.9", "www.example.org", "443", "https")
    assert shown(server, Host="www.example.org")["REMOTE_ADDR"] == ""


def test_everybody_or_a_network_may_be_trusted(serve):
    for allowed in ("*", "127.0.0.0/8"):
        assert shown(serve(APP, "--forwarded-allow-ips", allowed), X_Forwarded_Proto="https")["wsgi.url_scheme"] == "https"
    server = serve(APP, env={"FORWARDED_ALLOW_IPS": "192.0.2.1", **{}})
    assert shown(server, X_Forwarded_Proto="https")["wsgi.url_scheme"] == "http"
    assert os.environ.get("FORWARDED_ALLOW_IPS") is None
