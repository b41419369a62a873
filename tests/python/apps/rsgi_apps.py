"""An RSGI application; the path says what is asked."""

import asyncio
import json
import os
import pathlib

NOTES = pathlib.Path(os.environ.get("PREFORK_TEST", "/tmp"))


def note(text):
    with open(NOTES / "notes", "a") as notes:
        notes.write(text + "\n")


class App:
    def __rsgi_init__(self, loop):
        self.started = loop.is_running()
        note(f"init {loop.is_running()}")

    def __rsgi_del__(self, loop):
        note(f"del {loop.is_running()}")

    async def __rsgi__(self, scope, protocol):
        name = scope.path.strip("/").replace("-", "_") or "hello"
        await getattr(self, name)(scope, protocol)

    async def hello(self, scope, protocol):
        protocol.response_str(200, [("content-type", "text/plain")], "hello")

    async def facts(self, scope, protocol):
        names = "proto http_version rsgi_version server client scheme method path query_string authority".split()
        facts = {name: getattr(scope, name) for name in names}
        headers = scope.headers
        facts.update(keys=headers.keys(), values=headers.values(), items=headers.items(), get=headers.get("X-Two"), none=headers.get("nothing", 5),
                     item=headers["x-two"], all=headers.get_all("x-two"), contains="X-TWO" in headers, iterated=list(headers), length=len(headers))
        protocol.response_bytes(200, [("content-type", "application/json")], json.dumps(facts).encode())

    async def empty(self, scope, protocol):
        protocol.response_empty(204, [("x-one", "1")])

    async def twice(self, scope, protocol):
        protocol.response_empty(204, [])
        protocol.response_str(200, [], "nobody sees this")

    async def nothing(self, scope, protocol):
        pass

    async def fail(self, scope, protocol):
        raise ValueError("an error of the application")

    async def body(self, scope, protocol):
        body = await protocol()
        protocol.response_str(200, [], f"{len(body)} {body[:5]!r}")

    async def pieces(self, scope, protocol):
        total = 0
        async for piece in protocol:
            total += len(piece)
        protocol.response_str(200, [], str(total))

    async def stream(self, scope, protocol):
        transport = protocol.response_stream(200, [("x-stream", "1")])
        await transport.send_bytes(b"a")
        await asyncio.sleep(0.001)
        await transport.send_str("é")

    async def stream_fail(self, scope, protocol):
        transport = protocol.response_stream(200, [])
        await transport.send_bytes(b"a part")
        raise ValueError("after the first byte")

    async def file(self, scope, protocol):
        protocol.response_file(200, [], __file__)

    async def range(self, scope, protocol):
        protocol.response_file_range(206, [], __file__, 3, 8)

    async def no_file(self, scope, protocol):
        protocol.response_file(200, [], "/nothing/there")

    async def bad_header(self, scope, protocol):
        protocol.response_str(200, [("a b", "c")], "")

    async def bad_type(self, scope, protocol):
        protocol.response_bytes(200, [], "text")

    async def disconnect(self, scope, protocol):
        transport = protocol.response_stream(200, [])
        await transport.send_bytes(b"begun")
        await protocol.client_disconnect()
        note("disconnected")

    async def after(self, scope, protocol):
        protocol.response_str(200, [], "answered")
        await protocol.client_disconnect()
        note("after the answer")

    # WebSockets
    async def echo(self, scope, protocol):
        transport = await protocol.accept()
        await transport.send_str(f"{scope.proto} {scope.scheme} {scope.method}")
        while True:
            message = await transport.receive()
            if message.kind == 0:
                return note(f"closed {message.data}")
            if message.kind == 1:
                await transport.send_bytes(message.data)
            elif message.data == "bye":
                return protocol.close(4001)
            else:
                await transport.send_str(message.data)

    async def refuse(self, scope, protocol):
        protocol.close(401)

    async def forget(self, scope, protocol):
        protocol.close()


app = App()
