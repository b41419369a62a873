"""A small HTTP server that breaks every rule on request: the path says how.

What it does is written out byte by byte, so that the load generator's verdict can be compared with what really happened.
"""

import base64
import hashlib
import itertools
import re
import socket
import struct
import threading
import time

PATTERN = bytes(range(251)) * 400
LETTERS = b"abcdefghijklmnopqrstuvwxyz" * 5000


class MisbehavingServer:
    def __init__(self, family=socket.AF_INET, address=("127.0.0.1", 0)):
        self.listener = socket.socket(family)
        self.listener.bind(address)
        self.listener.listen(512)
        self.address = self.listener.getsockname()
        self.url = f"http://{self.address[0]}:{self.address[1]}" if family == socket.AF_INET else f"unix:{self.address}"
        self.requests = 0          # whole heads seen
        self.connections = 0
        self.pongs = []
        self.numbers = itertools.count()
        self.lock = threading.Lock()
        self.open = set()
        self.released = threading.Event()   # set at the end: whoever hangs on purpose may go
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def stop(self):
        self.released.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()
        with self.lock:
            for connection in self.open:
                connection.shutdown_quietly()

    def _accept(self):
        while True:
            try:
                raw, _ = self.listener.accept()
            except OSError:
                return
            connection = Connection(self, raw)
            with self.lock:
                self.connections += 1
                self.open.add(connection)
            threading.Thread(target=connection.serve, daemon=True).start()


class Connection:
    def __init__(self, server, raw):
        self.server = server
        self.raw = raw
        self.buffer = b""
        self.served = 0
        self.pongs = server.pongs

    def shutdown_quietly(self):
        try:
            self.raw.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def serve(self):
        try:
            while (request := self.read_request()) is not None:
                if not self.answer(*request):
                    break
                self.served += 1
        except OSError:
            pass
        finally:
            with self.server.lock:
                self.server.open.discard(self)
            self.raw.close()

    def fill(self):
        data = self.raw.recv(65536)
        self.buffer += data
        return bool(data)

    def read_request(self):
        while b"\r\n\r\n" not in self.buffer:
            if not self.fill():
                return None
            if b"X-Impatient" in self.buffer:   # only slow clients send it piece by piece
                self.raw.sendall(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                return None
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        with self.server.lock:
            self.server.requests += 1
        method, target, _ = head.split(b"\r\n")[0].decode().split(" ")
        return method, target, head, self.read_body(head)

    def read_body(self, head):
        if re.search(rb"(?i)transfer-encoding: chunked", head):
            body = b""
            while True:
                size = int(self.take_until(b"\r\n"), 16)
                piece = self.take(size + 2)[:-2]
                if size == 0:
                    return body
                body += piece
        length = re.search(rb"(?i)content-length: (\d+)", head)
        return self.take(int(length[1])) if length else b""

    def take(self, count):
        while len(self.buffer) < count:
            if not self.fill():
                raise OSError("the client left")
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def take_until(self, end):
        while end not in self.buffer:
            if not self.fill():
                raise OSError("the client left")
        data, _, self.buffer = self.buffer.partition(end)
        return data

    def reply(self, body=b"hello", status="200 OK", extra=b""):
        self.raw.sendall(b"HTTP/1.1 %s\r\nContent-Length: %d\r\n%s\r\n%s" % (status.encode(), len(body), extra, body))
        return True

    def reset(self):
        self.raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False

    def answer(self, method, target, head, body):
        """Answers one request as its path says; False ends the connection."""
        path, _, query = target.partition("?")
        name = path.strip("/").split("/")[0].replace("-", "_")
        behaviour = getattr(self, "on_" + name, None)
        if behaviour is None:
            return self.reply(b"" if method == "HEAD" else b"hello")
        return behaviour(path=path, query=query, head=head, body=body)

    def on_len(self, path, query, **_):
        length = int(path.split("/")[2])
        if query == "short":
            return self.reply(LETTERS[: length - 1])
        if query == "byte":
            return self.reply(LETTERS[: length // 2] + b"!" + LETTERS[length // 2 + 1 : length])
        if query == "doubled":   # a piece of a power of two, sent twice: the length is right, the bytes are not
            return self.reply((LETTERS[:1024] + LETTERS)[:length])
        return self.reply(LETTERS[:length])

    def on_chunks(self, path, **_):
        count, size = map(int, path.split("/")[2:])
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        pieces = (LETTERS[i * size : (i + 1) * size] for i in range(count))
        self.raw.sendall(head + b"".join(b"%x\r\n%s\r\n" % (size, piece) for piece in pieces) + b"0\r\n\r\n")
        return True

    def on_echo(self, query, body, **_):
        return self.reply(PATTERN[: len(body)] if query == "lie" else body)

    def on_path(self, path, query, **_):
        return self.reply(b"/path/0" if query == "lie" else path.encode())

    def on_sleep(self, path, **_):
        time.sleep(float(path.split("/")[2]))
        return self.reply()

    def on_varying(self, **_):
        return self.reply(b"%09d" % next(self.server.numbers))

    def on_status(self, path, **_):
        return self.reply(b"x", status=f"{path.split('/')[2]} Something")

    def on_bad_gateway(self, **_):
        return self.reply(b"x", status="502 Bad Gateway")

    def on_missing(self, **_):
        return self.reply(b"x", status="404 Not Found")

    def on_close(self, **_):
        self.reply(extra=b"Connection: close\r\n")
        return False

    def on_old(self, **_):
        self.raw.sendall(b"HTTP/1.0 200 OK\r\n\r\nuntil the end")
        return False

    def on_vanish(self, **_):
        return False

    def on_reset(self, **_):
        return self.reset()

    def on_second_dies(self, **_):
        return self.reply() if self.served == 0 else False

    def on_hang_up_after(self, **_):
        self.reply()
        return False

    def on_all_die(self, **_):
        # All of a pipeline is read first: closing with unread bytes would be a reset that overtakes nothing here.
        while self.buffer.count(b"\r\n\r\n") < 3 and self.fill():
            pass
        return False

    def on_half_head(self, **_):
        self.raw.sendall(b"HTTP/1.1 200 OK\r\nContent-Le")
        return False

    def on_half_body(self, **_):
        self.raw.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + b"x" * 50)
        return False

    def on_hang(self, **_):
        self.server.released.wait(60)
        return False

    def on_garbage(self, **_):
        self.raw.sendall(b"ICY 200 OK\r\n\r\n")
        return False

    def on_two_lengths(self, **_):
        self.raw.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx")
        return True

    def on_length_and_chunked(self, **_):
        self.raw.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n")
        return True

    def on_extra(self, **_):
        self.raw.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\ny")
        return True

    def on_chunked(self, query, **_):
        data = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nTrailer: 1\r\n\r\n"
        if query == "long":
            data = data.replace(b"hello\r\n", b"hello!\r\n")
        if query == "cut":
            self.raw.sendall(data[:-10])
            return False
        if query == "bytes":
            for i in range(len(data)):
                self.raw.sendall(data[i : i + 1])
            return True
        self.raw.sendall(data)
        return True

    def on_hint(self, **_):
        self.raw.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
        return self.reply()

    def on_ws(self, head, query, **_):
        key = re.search(rb"(?i)sec-websocket-key: (\S+)", head)[1]
        accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        if query == "wrong-accept":
            accept = b"AAAA" + accept[4:]
        self.raw.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n" % accept
        )
        messages = 0
        while (payload := self.read_message()) is not None:
            messages += 1
            if query == "bye" and messages == 3:
                self.raw.sendall(b"\x88\x02\x03\xf4")   # 1012, the third message unanswered
                return False
            self.raw.sendall(self.ws_answer(payload, query))
            if query == "restart" and messages == 2:
                time.sleep(0.05)   # the client is at a fixed slow rate: nothing is outstanding
                self.raw.sendall(b"\x88\x02\x03\xf4")
                return False
        return False

    def read_message(self):
        first, second = self.take(2)
        length = second & 0x7F
        if length == 126:
            (length,) = struct.unpack("!H", self.take(2))
        mask = self.take(4)
        payload = bytes(b ^ mask[i % 4] for i, b in enumerate(self.take(length)))
        if first & 0x0F == 10:
            self.pongs.append(payload)
            return self.read_message()
        return None if first & 0x0F == 8 else payload

    def ws_answer(self, payload, query):
        head = struct.pack("!BB", 0x81, len(payload)) if len(payload) < 126 else struct.pack("!BBH", 0x81, 126, len(payload))
        if query == "wrong":
            return head + payload[:-1] + b"\n"
        if query == "binary":
            return b"\x82" + head[1:] + payload
        if query == "masked":
            return struct.pack("!BB", 0x81, 0x80 | len(payload)) + b"\0\0\0\0" + payload
        if query == "fragments":
            return b"\x01\x01" + payload[:1] + b"\x89\x02hi" + struct.pack("!BB", 0x80, len(payload) - 1) + payload[1:]
        return head + payload
