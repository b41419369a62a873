"""Settings of gunicorn that cannot apply: refused, or the server says once what to do."""

from setting_cases import case, refused, said, said_in_file

TLS = "does not speak TLS yet; end it in the proxy"
HTTP2 = "speaks HTTP/1.1 to the proxy in front"
DIRTY = "no dirty workers; run the application's slow part in ordinary workers"
STRICT = "is refused, because proxies in front would read it differently"
PASTE = "loadapp"

refused("keyfile", ["--keyfile", "k.pem"], TLS)
refused("certfile", ["--certfile", "c.pem"], TLS)
refused("ca_certs", ["--ca-certs", "ca.pem"], TLS)
refused("cert_reqs", ["--cert-reqs", "2"], TLS)
said("ciphers", ["--ciphers", "TLSv1"], TLS)
said("ssl_version", ["--ssl-version", "5"], TLS)
said("suppress_ragged_eofs", ["--no-suppress-ragged-eofs"], "no effect without TLS", "INFO")
said("do_handshake_on_connect", ["--do-handshake-on-connect"], "no effect without TLS", "INFO")
said("logger_class", ["--logger-class", "my.Logger"], "use access_log_format or access_log_json")
refused("spew", ["--spew"], "python -m trace")
said("worker_tmp_dir", ["--worker-tmp-dir", "/dev/shm"], "in shared memory, no file is needed", "INFO")
refused("protocol", ["--protocol", "uwsgi"], "replace uwsgi_pass by proxy_pass")
said("uwsgi_allow_ips", ["--uwsgi-allow-from", "10.0.0.1"], "uwsgi protocol is not spoken", "INFO")
said("http_parser", ["--http-parser", "python"], "always parsed by llhttp")
refused("http_protocols", ["--http-protocols", "h2"], HTTP2)
refused("http2_cleartext", ["--http2-cleartext", "upgrade"], HTTP2)
said("http2_max_concurrent_streams", ["--http2-max-concurrent-streams", "9"], HTTP2)
said("http2_initial_window_size", ["--http2-initial-window-size", "9"], HTTP2)
said("http2_max_frame_size", ["--http2-max-frame-size", "20000"], HTTP2)
said("http2_max_header_list_size", ["--http2-max-header-list-size", "9"], HTTP2)
refused("paste", ["--paste", "app.ini"], PASTE)
refused("raw_paste_global_conf", ["--paste-global", "a=b"], PASTE)
refused("dirty_apps", ["--dirty-app", "a:b"], DIRTY)
said("dirty_workers", ["--dirty-workers", "2"], DIRTY)
said("dirty_timeout", ["--dirty-timeout", "2"], DIRTY)
said("dirty_threads", ["--dirty-threads", "2"], DIRTY)
said("dirty_graceful_timeout", ["--dirty-graceful-timeout", "2"], DIRTY)
said_in_file("on_dirty_starting", "def on_dirty_starting(arbiter): pass\n", DIRTY)
said_in_file("dirty_post_fork", "def dirty_post_fork(arbiter, worker): pass\n", DIRTY)
said_in_file("dirty_worker_init", "def dirty_worker_init(worker): pass\n", DIRTY)
said_in_file("dirty_worker_exit", "def dirty_worker_exit(arbiter, worker): pass\n", DIRTY)
said("acceptors", ["--acceptors", "2"], "start several servers on the same port with --reuse-port")


@case("ssl_context")
def ssl_context(walk):
    (walk.path / "conf.py").write_text("def ssl_context(config, default_factory): pass\n")
    assert walk.run("--check-config", "-c", "conf.py", walk.WSGI).returncode == 0
    done = walk.run("--check-config", "-c", "conf.py", "--certfile", "x", walk.WSGI)
    assert done.returncode == 2 and TLS in done.stderr


def strict(name, flag, request, answer=b"HTTP/1.1 501"):
    @case(name)
    def check(walk):
        server = walk.wsgi(flag)
        server.expect(STRICT)
        assert server.raw(request).startswith(answer)


strict("strip_header_spaces", "--strip-header-spaces", "GET / HTTP/1.1\r\nHost: a\r\nX-Space : 1\r\n\r\n", b"HTTP/1.1 400")
strict("casefold_http_method", "--casefold-http-method", "get / HTTP/1.1\r\nHost: a\r\n\r\n")
