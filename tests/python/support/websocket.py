"""A small WebSocket client: what the tests must see of frames, and no more."""

import base64
import contextlib
import os
import struct

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def handshake(path, key="dGhlIHNhbXBsZSBub25jZQ==", headers=""):
    return f"GET {path} HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n{headers}\r\n".encode()


class Client:
    def __init__(self, server, path, headers=""):
        self.socket = server.connect()
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall(handshake(path, key, headers))
        self.file = self.socket.makefile("rb")
        self.status = int(self.file.readline().split()[1])
        self.headers = {}
        while line := self.file.readline().strip():
            name, _, value = line.decode().partition(":")
            self.headers[name.lower()] = value.strip()

    def send(self, opcode, payload):
        head = struct.pack(">BB", 0x80 | opcode, 0x80 | min(len(payload), 126 if len(payload) < 65536 else 127))
        head += struct.pack(">H", len(payload)) if 126 <= len(payload) < 65536 else struct.pack(">Q", len(payload)) if len(payload) >= 65536 else b""
        self.socket.sendall(head + bytes(4) + payload)  # a mask of zeros changes nothing

    def receive(self):
        opcode, length = self.file.read(2)
        length = struct.unpack(">H", self.file.read(2))[0] if length == 126 else struct.unpack(">Q", self.file.read(8))[0] if length == 127 else length
        return opcode & 15, self.file.read(length)

    def close(self):
        self.file.close()
        self.socket.close()


def connect(server, path="/", headers=""):
    """An open socket, or what the server said instead; closed with the block."""
    return contextlib.closing(Client(server, path, headers))
