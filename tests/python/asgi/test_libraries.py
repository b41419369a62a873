"""Sites made with one library each (apps/asgi_libraries.py), asked as that library's users would ask them."""

import asyncio
import contextlib
import json
import sys

import pytest
from support.server import until

httpx = pytest.importorskip("httpx")

NEEDS = {"socketio": "socketio", "strawberry": "strawberry", "sse": "sse_starlette", "prometheus": "prometheus_fastapi_instrumentator", "channels": "channels",
         "opentelemetry": "opentelemetry.instrumentation.asgi", "a2wsgi": "a2wsgi", "sanic": "sanic", "mounted": "fastapi"}


@pytest.fixture(params=[[], ["--no-eager"]], ids=["eager", "tasks"])
def site(request, serve):
    def start(name, *arguments):
        pytest.importorskip(NEEDS[name])
        server = serve(f"asgi_libraries:{name}()", "--interface", "asgi", *request.param, *arguments, env={"VIRTUAL_ENV": sys.prefix})
        server.url = f"http://127.0.0.1:{server.port}"
        return server
    return start


def ask(server):
    return httpx.Client(trust_env=False, base_url=server.url, timeout=60)


def connect(server, path, **options):
    client = pytest.importorskip("websockets.sync.client")
    return client.connect(server.url.replace("http", "ws") + path, proxy=None, **options)


@pytest.mark.parametrize("transports", [["websocket"], ["polling"], ["polling", "websocket"]], ids="+".join)
def test_socketio_calls_and_broadcasts_over_each_transport(site, transports):
    server = site("socketio")
    import socketio

    async def talk():
        clients = [socketio.AsyncClient() for _ in range(3)]
        heard = asyncio.Queue()
        for client in clients:
            client.on("heard", heard.put)
            await client.connect(server.url, transports=transports)
        assert await clients[0].call("echo", {"a": [1, "\u20ac", b"\0\xff"]}) == {"a": [1, "\u20ac", b"\0\xff"]}
        await clients[1].emit("shout", "everybody")
        assert [await asyncio.wait_for(heard.get(), 60) for _ in clients] == ["everybody"] * 3
        for client in clients:
            await client.disconnect()
        if transports == ["polling"]:
            return  # there the library's client waits for ever when it is refused, whatever the server
        refused = socketio.AsyncClient()
        with pytest.raises(socketio.exceptions.ConnectionError):
            await refused.connect(server.url, transports=transports, auth="wrong")
    asyncio.run(talk())


def test_graphql_answers_queries_and_subscriptions(site):
    server = site("strawberry")
    with ask(server) as client:
        reply = client.post("/", json={"query": 'query { hello(name: "you") }'})
        assert reply.json()["data"] == {"hello": "Hello, you!"}
    with connect(server, "/", subprotocols=["graphql-transport-ws"]) as client:
        assert client.subprotocol == "graphql-transport-ws"
        client.send(json.dumps({"type": "connection_init"}))
        assert json.loads(client.recv())["type"] == "connection_ack"
        client.send(json.dumps({"id": "1", "type": "subscribe", "payload": {"query": "subscription { count(to: 5) }"}}))
        got = [json.loads(client.recv()) for _ in range(6)]
        assert [message["payload"]["data"]["count"] for message in got[:5]] == [0, 1, 2, 3, 4]
        assert got[5]["type"] == "complete"


def test_server_sent_events_end_with_their_client(site):
    server = site("sse", "--asgi-disconnect-grace-period", "60")
    with ask(server) as client:
        with client.stream("GET", "/numbers") as reply:
            data = (line for line in reply.iter_lines() if line.startswith("data:"))
            assert [next(data) for _ in range(5)] == [f"data: {number}" for number in range(5)]
        until(lambda: client.get("/").json() == ["ended"], "the end of the events")


def test_prometheus_counts_by_route(site):
    server = site("prometheus")
    with ask(server) as client:
        for number in range(5):
            assert client.get(f"/items/{number}").json() == str(number)
        metrics = client.get("/metrics").text
    assert 'handler="/items/{item}"' in metrics and [line for line in metrics.splitlines() if line.startswith("http_requests_total") and line.endswith(" 5.0")]


def test_traces_begin_with_the_clients_and_cover_websockets(site):
    server = site("opentelemetry")
    trace = "0af7651916cd43dd8448eb211c80319c"
    with ask(server) as client:
        assert client.get("/hello", headers={"traceparent": f"00-{trace}-b7ad6b7169203331-01"}).text == "hello"
        with connect(server, "/ws") as socket:
            socket.send("traced")
            assert socket.recv() == "traced"
        spans = until(lambda: [span for span in client.get("/spans").json() if "ws" in span[0] or span[1] == trace], "the spans")
    assert any(span[1] == trace and span[2] == "SERVER" for span in spans)


def test_wsgi_below_asgi(site):
    server = site("a2wsgi")
    with ask(server) as client:
        for size in (0, 10, 3_000_000):
            reply = client.post("/in/here", content=b"b" * size)
            assert (reply.headers["x-method"], reply.content) == ("POST", b"/in/here" + b"b" * size)


def test_channels_reach_everybody_in_a_group(site):
    server = site("channels")
    assert server.get("/").body == b"django"
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connect(server, "/chat")) for _ in range(3)]
        clients[0].send(json.dumps({"text": "everybody"}))
        assert [json.loads(client.recv()) for client in clients] == [{"text": "everybody"}] * 3


def test_sanic_serves_json_streams_and_websockets(site):
    server = site("sanic")
    with ask(server) as client:
        assert client.get("/").text == "sanic"
        assert client.post("/json", json={"a": [1, 2]}).json() == {"a": [1, 2]}
        assert client.get("/stream").text == "".join(f"{number}\n" for number in range(100))
    with connect(server, "/ws") as socket:
        socket.send("back")
        assert socket.recv() == "back"


def test_mounted_applications_and_files(site):
    server = site("mounted", "--root-path", "/proxied")
    whole = bytes(range(256)) * 1000
    with ask(server) as client:
        assert client.get("/").json() == {"root": "/proxied", "path": "/proxied/"}
        assert client.get("/inner/deep/where").json() == {"root": "/proxied/inner/deep", "url": "/proxied/inner/deep/where"}
        reply = client.get("/static/data.bin")
        assert reply.content == whole
        assert client.get("/static/data.bin", headers={"If-None-Match": reply.headers["etag"]}).status_code == 304
        assert client.head("/static/data.bin").headers["content-length"] == str(len(whole))
        part = client.get("/static/data.bin", headers={"Range": "bytes=1000-1999"})
        assert (part.status_code, part.content, part.headers["content-range"]) == (206, whole[1000:2000], f"bytes 1000-1999/{len(whole)}")
        assert client.get("/static/data.bin", headers={"Range": "bytes=999999999-"}).status_code == 416
        assert client.get("/static/../../etc/passwd").status_code == 404
