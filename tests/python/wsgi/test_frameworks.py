"""Real frameworks, asked by real clients."""

import hashlib
import pathlib
import random
import sys

import pytest

httpx = pytest.importorskip("httpx")
requests = pytest.importorskip("requests")


@pytest.fixture(scope="module", params=["flask", "django", "bottle", "falcon"])
def site(request, serve_module):
    pytest.importorskip(request.param)
    server = serve_module(f"framework_apps:{request.param}()", "--threads", "2", env={"VIRTUAL_ENV": sys.prefix}, ready="/hello/you")
    if request.param != "django":  # which logs errors to the administrators' mail alone
        server.expect("deliberate")
    server.address = f"http://127.0.0.1:{server.port}"
    return server


@pytest.fixture
def session():
    with requests.Session() as session:
        session.trust_env = False
        yield session


def test_paths_reach_their_views(site, session):
    for name in ("you", "caf\xe9", "a b"):
        assert session.get(f"{site.address}/hello/{name}").text == f"Hello, {name}!"
    assert session.get(f"{site.address}/nowhere").status_code == 404


def test_forms_and_files_are_parsed(site, session):
    assert session.post(f"{site.address}/form", data={"a": "1 & 2"}).json() == {"a": "1 & 2", "file": None}
    reply = session.post(f"{site.address}/form", data={"a": "x"}, files={"f": ("f.txt", "in the file", "text/plain")})
    assert reply.json() == {"a": "x", "file": "in the file"}


@pytest.mark.parametrize("size", [0, 10, 300_000, 3_000_000])
def test_uploads_arrive_whole(site, session, size):
    body = random.Random(size).randbytes(size)
    assert session.post(f"{site.address}/upload", data=body).text == hashlib.sha256(body).hexdigest()


def test_uploads_without_a_length(site, session):
    body = random.Random(1).randbytes(200_000)
    reply = session.post(f"{site.address}/upload", data=(body[i : i + 7000] for i in range(0, len(body), 7000)))
    # Django reads CONTENT_LENGTH bytes, and there is none.
    assert reply.text == hashlib.sha256(body).hexdigest() or reply.text == hashlib.sha256(b"").hexdigest()


def test_streams_arrive_whole(site):
    with httpx.Client(trust_env=False) as client, client.stream("GET", f"{site.address}/stream") as reply:
        assert list(reply.iter_lines()) == [f"line {i}" for i in range(1000)]


def test_files_are_sent_whole(site, session):
    import framework_apps

    assert session.get(f"{site.address}/file").content == pathlib.Path(framework_apps.__file__).read_bytes()


def test_files_in_part_or_not_at_all(site, session):
    """Django and Falcon send the whole file whatever is asked for; the connection stays in step with each."""
    whole = session.get(f"{site.address}/file").content
    for headers, allowed in [
        ({"Range": "bytes=10-19"}, [(206, whole[10:20]), (200, whole)]),
        ({"Range": "bytes=-7"}, [(206, whole[-7:]), (200, whole)]),
        ({"Range": f"bytes={len(whole)}-"}, [(416, None), (200, whole)]),
        ({"If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"}, [(304, b""), (200, whole)]),
    ]:
        reply = session.get(f"{site.address}/file", headers=headers)
        assert (reply.status_code, None if reply.status_code == 416 else reply.content) in allowed, headers
        assert session.head(f"{site.address}/file", headers=headers).content == b""


def test_an_error_is_a_500_and_the_next_request_is_served(site, session):
    assert session.get(f"{site.address}/error").status_code == 500
    assert session.get(f"{site.address}/hello/again").status_code == 200


def test_cookies_go_there_and_back(site, session):
    assert session.get(f"{site.address}/cookie").text == "new"
    assert session.get(f"{site.address}/cookie").text == "yes"
    assert session.cookies.get_dict() == {"seen": "yes", "other": "too"}


def test_head_and_keep_alive(site, session):
    for _ in range(5):
        assert session.head(f"{site.address}/hello/you").status_code in (200, 405)
        assert session.get(f"{site.address}/hello/you").text == "Hello, you!"
