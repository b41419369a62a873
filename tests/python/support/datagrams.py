"""A place for what a server sends to statsd or a syslog, over UDP, TCP or a unix socket; keeps what it got."""

import re
import selectors
import socket

from support.server import until


class Datagrams:
    """`kind`: udp or tcp, or with a folder for the socket dgram or stream. `url` is the place as a setting names it, `address` its HOST:PORT."""

    def __init__(self, kind="udp", folder=None):
        self.kind, self.folder = kind, folder
        self.streams = kind in ("tcp", "stream")

    def __enter__(self):
        self.socket = socket.socket(socket.AF_UNIX if self.folder else socket.AF_INET, socket.SOCK_STREAM if self.streams else socket.SOCK_DGRAM)
        self.socket.bind(f"{self.folder}/place" if self.folder else ("127.0.0.1", 0))
        if self.streams:
            self.socket.listen()
        self.address = None if self.folder else "127.0.0.1:%d" % self.socket.getsockname()[1]
        self.url = f"unix://{self.folder}/place#{self.kind}" if self.folder else f"{self.kind}://{self.address}"
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.socket, selectors.EVENT_READ)
        self.text = ""
        return self

    def __exit__(self, *_):
        for key in list(self.selector.get_map().values()):
            key.fileobj.close()
        self.selector.close()

    def _read(self):
        for key, _ in self.selector.select(0.2):
            if self.streams and key.fileobj is self.socket:
                self.selector.register(self.socket.accept()[0], selectors.EVENT_READ)
            elif data := key.fileobj.recv(65536):
                self.text += data.decode(errors="replace") + ("" if self.streams else "\n")
            elif self.streams:
                self.selector.unregister(key.fileobj)
                key.fileobj.close()

    def wait(self, *patterns):
        """What has come by the time that each of these has: a line a datagram."""
        def all_there():
            self._read()
            return all(re.search(pattern, self.text) for pattern in patterns)

        until(all_there, f"{patterns} at the port")
        return self.text

    def take(self, *patterns):
        """The same, and what comes next begins anew."""
        text = self.wait(*patterns)
        self.text = ""
        return text
