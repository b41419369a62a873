"""WSGI applications that speak WebSocket for themselves, through gunicorn.socket."""

import threading


def sock():
    from flask import Flask
    from flask_sock import Sock

    app = Flask(__name__)
    sock = Sock(app)
    here, ended = set(), threading.Semaphore(0)

    @sock.route("/echo")
    def echo(ws):
        while True:
            ws.send(ws.receive())

    @sock.route("/room")
    def room(ws):
        here.add(ws)
        try:
            while True:
                message = ws.receive()
                for other in list(here):
                    other.send(message)
        finally:
            here.discard(ws)
            ended.release()

    @sock.route("/short")
    def short(ws):
        ws.send("all there is")

    @sock.route("/broken")
    def broken(ws):
        ws.send("before")
        raise RuntimeError("deliberate")

    @app.get("/ended")
    def wait_for_the_end():
        return str(ended.acquire(timeout=60))

    @app.get("/")
    def index():
        return "ordinary"

    return app


def socketio():
    from flask import Flask
    from flask_socketio import SocketIO

    app = Flask(__name__)
    sockets = SocketIO(app, async_mode="threading", cors_allowed_origins="*")

    @sockets.on("echo")
    def echo(data):
        return data

    @sockets.on("shout")
    def shout(data):
        sockets.emit("heard", data)

    return app


def raw():
    """Without a library: what is seen of the socket itself."""
    def app(environ, start_response):
        socket = environ.get("gunicorn.socket")
        if environ["PATH_INFO"] == "/keys":
            body = b"yes" if socket is not None else b"no"
            start_response("200 OK", [("Content-Length", str(len(body)))])
            return [body]
        if environ["PATH_INFO"] == "/switch":
            socket.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
            while piece := socket.recv(65536):
                socket.sendall(piece)
            raise StopIteration
        start_response("404 Not Found", [("Content-Length", "0")])
        return []

    return app
