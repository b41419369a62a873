"""ASGI and WebSocket: an effect for each setting."""

import struct
import sys

from setting_cases import case, seen
from support.server import until
from support.websocket import CLOSE, PING, TEXT, connect


@case("asgi_loop")
def asgi_loop(walk):
    here = ("--python", sys.executable)  # whether that has uvloop is seen below
    assert seen(walk.asgi("--asgi-loop", "asyncio"))["_loop"].startswith("asyncio")
    try:
        import uvloop  # noqa: F401
    except ImportError:
        server = walk.asgi("--asgi-loop", "uvloop", *here, ready=None)
        server.expect("uvloop")
        server.expect("Reason|exited with")
        assert server.wait() in (3, 4)
    else:
        assert seen(walk.asgi("--asgi-loop", "uvloop", *here))["_loop"].startswith("uvloop")


@case("asgi_lifespan")
def asgi_lifespan(walk):
    assert seen(walk.asgi())["_events"] == ["lifespan"]
    assert seen(walk.asgi("--asgi-lifespan", "off"))["_events"] == []


@case("asgi_disconnect_grace_period")
def asgi_disconnect_grace_period(walk):
    server = walk.asgi("--asgi-disconnect-grace-period", "100ms")
    with server.connect() as client:
        client.sendall(b"POST /gone HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n1")
        until(lambda: seen(server)["_events"][-1] == "begun", "the application's start")
        client.setsockopt(1, 13, struct.pack("ii", 1, 0))  # SO_LINGER: a reset
    until(lambda: seen(server)["_events"][-1] == "cancelled", "the task's cancellation")


@case("eager")
def eager(walk):
    server = walk.asgi("--no-eager")
    assert seen(server)["_task"] == "Task"


@case("websocket_max_message_size")
def websocket_max_message_size(walk):
    with connect(walk.asgi("--websocket-max-message-size", "1000")) as client:
        client.send(TEXT, b"x" * 900)
        assert client.file.read(1)[0] & 15 == 1
    with connect(walk.asgi("--websocket-max-message-size", "1000")) as client:
        client.send(TEXT, b"x" * 1001)
        opcode, payload = client.receive()
        assert opcode == 8 and struct.unpack(">H", payload[:2])[0] == 1009


@case("ws_ping_interval")
def ws_ping_interval(walk):
    with connect(walk.asgi("--ws-ping-interval", "200ms")) as client:
        assert client.receive()[0] == PING


@case("ws_ping_timeout")
def ws_ping_timeout(walk):
    server = walk.asgi("--ws-ping-interval", "200ms", "--ws-ping-timeout", "200ms")
    with connect(server) as client:
        while client.receive()[0] != CLOSE:
            pass
        until(lambda: any(event.startswith("close") for event in seen(server)["_events"]), "the application hears of it")


@case("ws_per_message_deflate")
def ws_per_message_deflate(walk):
    offer = "Sec-WebSocket-Extensions: permessage-deflate\r\n"
    with connect(walk.asgi(), "/", offer) as client:
        assert "permessage-deflate" in client.headers["sec-websocket-extensions"]
    with connect(walk.asgi("--no-ws-per-message-deflate"), "/", offer) as client:
        assert "sec-websocket-extensions" not in client.headers


def unread(server, client):
    """Bytes of the client's that the kernel holds because the server does not read them."""
    here = "%04X" % client.socket.getsockname()[1]
    with open("/proc/net/tcp") as table:
        rows = [line.split() for line in table]
    return sum(int(row[4].partition(":")[2], 16) for row in rows[1:] if row[1].endswith(":%04X" % server.port) and row[2].endswith(":" + here))


@case("ws_max_queue")
def ws_max_queue(walk):
    for most, whole in (("1", False), ("1000", True)):
        server = walk.asgi("--ws-max-queue", most)
        with connect(server, path="/deaf") as client:
            for _ in range(300):
                client.send(TEXT, b"x" * 1000)
            until(lambda server=server, client=client, whole=whole: (unread(server, client) == 0) == whole, "what is read" if whole else "what stays unread")
