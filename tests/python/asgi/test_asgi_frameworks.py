"""Real ASGI frameworks, asked by real clients: httpx, aiohttp, websockets and wsproto."""

import asyncio
import hashlib
import json
import pathlib
import random
import socket
import sys

import pytest
from support.server import until

httpx = pytest.importorskip("httpx")

FRAMEWORKS = ["starlette", "fastapi", "litestar", "quart", "django", "blacksheep"]
LACKS = {  # what a framework has not, or the site does not use
    "django": {"state", "later", "ws", "ws_more"},
    "blacksheep": {"later", "ws_more"},
    "quart": {"ws_more"},
}
WAYS = {"eager": [], "tasks": ["--no-eager"], "asyncio": ["--asgi-loop", "asyncio"]}
SITES = [(name, "eager") for name in FRAMEWORKS] + [(name, way) for name in ("starlette", "fastapi") for way in ("tasks", "asyncio")]


@pytest.fixture(scope="module", params=SITES, ids="-".join)
def site(request, serve_module):
    name, way = request.param
    pytest.importorskip(name)
    server = serve_module(f"asgi_frameworks:{name}()", "--interface", "asgi", *WAYS[way], env={"VIRTUAL_ENV": sys.prefix}, ready="/hello/you")
    server.framework = name
    return server


@pytest.fixture
def client(site):
    with httpx.Client(trust_env=False, base_url=f"http://127.0.0.1:{site.port}", timeout=60) as client:
        yield client


@pytest.fixture
def has(site):
    def look(feature):
        if feature in LACKS.get(site.framework, ()):
            pytest.skip(f"{site.framework} has none")
    return look


def test_paths_reach_their_views(client):
    for name in ("you", "caf\xe9", "a b"):
        assert client.get(f"/hello/{name}").text == f"Hello, {name}!"
    assert client.get("/nowhere").status_code == 404
    assert client.post("/upload/nowhere").status_code == 404


def test_forms_and_files_are_parsed(client):
    assert client.post("/form", data={"a": "1 & 2"}).json() == {"a": "1 & 2", "file": None}
    for size in (10, 3_000_000):
        reply = client.post("/form", data={"a": "x"}, files={"f": ("f.txt", b"f" * size, "text/plain")})
        assert reply.json() == {"a": "x", "file": "f" * size}


@pytest.mark.parametrize("size", [0, 10, 300_000, 3_000_000])
def test_uploads_arrive_whole(client, size):
    body = random.Random(size).randbytes(size)
    assert client.post("/upload", content=body).text == hashlib.sha256(body).hexdigest()


def test_uploads_without_a_length(client):
    body = random.Random(1).randbytes(200_000)
    reply = client.post("/upload", content=(body[i : i + 7000] for i in range(0, len(body), 7000)))
    assert reply.text == hashlib.sha256(body).hexdigest()


def test_streams_arrive_whole(client):
    with client.stream("GET", "/stream") as reply:
        assert list(reply.iter_lines()) == [f"line {i}" for i in range(1000)]


def test_server_sent_events(client):
    with client.stream("GET", "/sse") as reply:
        assert reply.headers["content-type"].startswith("text/event-stream")
        assert list(filter(None, reply.iter_lines())) == ["data: 0", "data: 1", "data: 2"]


def test_files_are_sent_whole(client):
    import asgi_frameworks

    source = pathlib.Path(asgi_frameworks.__file__).read_bytes()
    assert client.get("/file").content == source


def test_ranges_of_files(site, client):
    if site.framework not in ("starlette", "fastapi"):
        pytest.skip("it serves whole files")
    import asgi_frameworks

    source = pathlib.Path(asgi_frameworks.__file__).read_bytes()
    reply = client.get("/file", headers={"Range": "bytes=10-99"})
    assert (reply.status_code, reply.content) == (206, source[10:100])
    if site.framework == "starlette":
        assert int(client.head("/file").headers["content-length"]) == len(source)


def test_an_error_is_a_500_and_the_next_request_is_served(site, client):
    if site.framework not in ("litestar", "django"):  # which keep it to themselves
        site.expect("deliberate")
    assert client.get("/error").status_code == 500
    assert client.get("/hello/again").status_code == 200


def test_cookies_go_there_and_back(client):
    assert client.get("/cookie").text == "new"
    assert client.get("/cookie").text == "yes"
    assert dict(client.cookies) == {"seen": "yes", "other": "too"}


def test_state_of_the_lifespan(has, client):
    has("state")
    assert client.get("/state").text == "yes"


def test_background_tasks(has, client):
    has("later")
    before = client.get("/events").json().count("later")
    assert client.get("/later").text == "now"
    until(lambda: client.get("/events").json().count("later") == before + 1, "the background task")


def test_tasks_contexts_and_cancel_scopes_are_a_requests_own(client):
    for _ in range(3):
        found = client.get("/probe").json()
        assert found == {"before": "unset", "done": ["['one', 'set']", "['two', 'set']", "timeout"], "left": True, "inner": True, "thread": "set", "library": "asyncio", "same": True}


def test_many_at_a_time(site):
    aiohttp = pytest.importorskip("aiohttp")

    async def everything():
        async with aiohttp.ClientSession(f"http://127.0.0.1:{site.port}") as session:
            async def one(number):
                async with session.get(f"/hello/{number}") as reply:
                    assert await reply.text() == f"Hello, {number}!"
                async with session.post("/upload", data=bytes(number * 100)) as reply:
                    assert await reply.text() == hashlib.sha256(bytes(number * 100)).hexdigest()
            await asyncio.gather(*map(one, range(200)))
    asyncio.run(everything())


# WebSockets

@pytest.fixture
def address(has, site):
    has("ws")
    return f"ws://127.0.0.1:{site.port}/ws"


@pytest.mark.parametrize("compression", ["deflate", None])
def test_websockets_of_the_library_websockets(site, address, compression):
    ws = pytest.importorskip("websockets.sync.client")
    with ws.connect(address, compression=compression, max_size=None, proxy=None) as client:
        for message in ("text \u20ac", "", "long" * 100_000):
            client.send(message)
            assert client.recv() == message
        if site.framework != "blacksheep":
            client.send(b"\0\xff" * 50_000)
            assert client.recv() == b"\0\xff" * 50_000
        client.ping().wait(60)


def test_websockets_of_aiohttp(address):
    aiohttp = pytest.importorskip("aiohttp")

    async def talk():
        async with aiohttp.ClientSession() as session, session.ws_connect(address, compress=15) as client:
            for size in (0, 1, 1000, 100_000):
                await client.send_str("m" * size)
                assert await client.receive_str() == "m" * size
            await client.close(code=4002)
            return client.close_code
    assert asyncio.run(talk()) == 4002


def test_websockets_of_wsproto(site, address):
    wsproto = pytest.importorskip("wsproto")
    from wsproto import events

    with site.connect() as peer:
        connection = wsproto.WSConnection(wsproto.ConnectionType.CLIENT)
        peer.sendall(connection.send(events.Request(host="h", target="/ws")))

        def following():
            while True:
                for event in connection.events():
                    yield event
                connection.receive_data(peer.recv(1 << 16) or None)
        coming = following()
        assert isinstance(next(coming), events.AcceptConnection)
        peer.sendall(connection.send(events.TextMessage("in pieces ", message_finished=False)))
        peer.sendall(connection.send(events.Ping(b"there?")))
        peer.sendall(connection.send(events.TextMessage("of text")))
        assert next(coming).payload == b"there?"
        assert next(coming).data == "in pieces of text"
        peer.sendall(connection.send(events.CloseConnection(1000, "bye")))
        assert next(coming).code == 1000


def test_subprotocol_close_and_refusal(has, site, address):
    has("ws_more")
    ws = pytest.importorskip("websockets.sync.client")
    from websockets.exceptions import ConnectionClosed, InvalidStatus

    with ws.connect(address, subprotocols=["two", "one"], proxy=None) as client:
        assert client.subprotocol == "two"
        client.close(4003, "no more")
    until(lambda: [4003, "no more"] in json.loads(site.get("/events").body), "the disconnect")
    with ws.connect(address + "/close", proxy=None) as client, pytest.raises(ConnectionClosed) as closed:
        client.recv()
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4001, "enough")
    with pytest.raises(InvalidStatus) as refused:
        ws.connect(address + "/refuse", proxy=None)
    assert refused.value.response.status_code == 403


def test_clients_that_leave_hurt_nobody(site, client):
    for request in (b"GET /stream HTTP/1.1\r\nHost: h\r\n\r\n", b"POST /upload HTTP/1.1\r\nHost: h\r\nContent-Length: 99\r\n\r\nxx", b"GET /sse HTTP/1.1\r\nHost: h\r\n\r\n"):
        for _ in range(5):
            with site.connect() as peer:
                peer.sendall(request)
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    assert client.get("/hello/still").text == "Hello, still!"
