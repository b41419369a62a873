"""A UDP port for what a server sends to statsd or a syslog; keeps what it got."""

import contextlib
import re
import socket

from support.server import until


class Datagrams:
    def __enter__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(0.2)
        self.address = "127.0.0.1:%d" % self.socket.getsockname()[1]
        self.text = ""
        return self

    def __exit__(self, *_):
        self.socket.close()

    def wait(self, *patterns):
        """What has come by the time that each of these has: a line a datagram."""
        def all_there():
            with contextlib.suppress(TimeoutError):
                self.text += self.socket.recv(65536).decode(errors="replace") + "\n"
            return all(re.search(pattern, self.text) for pattern in patterns)

        until(all_there, f"{patterns} at the port")
        return self.text

    def take(self, *patterns):
        """The same, and what comes next begins anew."""
        text = self.wait(*patterns)
        self.text = ""
        return text
