"""Where the server listens: addresses that others hold, that are given twice, that come from elsewhere."""

import os
import socket

from support.server import free_port, until

APP = "dropin_app:app"


def test_an_address_in_use_is_tried_again_as_with_gunicorn(serve):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        address = "127.0.0.1:%d" % holder.getsockname()[1]
        server = serve(APP, bind=address, ready=None)
        server.expect(rf"\[ERROR\] Connection in use: {address}")
        server.logged("Connection in use")
    server.port = int(address.rpartition(":")[2])
    server.logged("Serving with 1 worker")
    assert server.get("/").status == 200


def test_several_addresses_and_a_socket_file_at_once(serve, tmp_path):
    port, path = free_port(), tmp_path / "s"
    server = serve(APP, "-b", f"127.0.0.1:{port}", "-b", f"unix:{path}", "-m", "0117")
    assert server.get("/").status == 200
    assert path.stat().st_mode & 0o777 == 0o660
    server.port = port
    assert server.get("/").status == 200
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 200 OK")
    assert server.stop() == 0
    assert not path.exists()


def test_an_abstract_socket(serve, tmp_path):
    name = f"prefork-test-{os.getpid()}"
    serve(APP, "-b", f"unix:@{name}")
    with socket.socket(socket.AF_UNIX) as client:
        client.connect("\0" + name)
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 200 OK")


def test_two_servers_share_a_port(serve):
    first = serve(APP, "--reuse-port", "--name", "first")
    second = serve(APP, "--reuse-port", "--name", "second", bind=first.bind, ready=None)
    second.logged("Serving with 1 worker")
    assert first.get("/").status == 200
    assert first.stop() == 0
    second.port = first.port
    until(lambda: second.get("/").status == 200, "an answer of the second")


def test_the_backlog_is_the_kernels(serve):
    """ss would need privileges nowhere; /proc has no backlog, so the kernel is asked the way ss asks it."""
    import struct

    server = serve(APP, "--backlog", "7")
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 4) as diag:  # NETLINK_SOCK_DIAG
        request = struct.pack("=BBBBI", socket.AF_INET, socket.IPPROTO_TCP, 0, 0, 1 << 10) + b"\0" * 48  # listening sockets
        diag.send(struct.pack("=IHHII", 16 + len(request), 20, 0x301, 1, 0) + request)
        found, done = {}, False
        while not done:
            data, offset = diag.recv(65536), 0
            while offset < len(data):
                length, kind = struct.unpack_from("=IH", data, offset)
                if kind != 20:
                    done = True
                    break
                port = struct.unpack_from("!H", data, offset + 16 + 4)[0]
                found[port] = struct.unpack_from("=I", data, offset + 16 + 60)[0]  # idiag_wqueue
                offset += (length + 3) & ~3
    assert found[server.port] == 7
