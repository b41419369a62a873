#include "master/config_table.hpp"

namespace prefork {
namespace {

// Settings of gunicorn that cannot apply here. None of them is an unknown option: each says what to do instead.

constexpr const char* kNoTls = "prefork does not speak TLS yet; end it in the proxy in front (nginx, HAProxy, Caddy, the load balancer) and set "
                               "forwarded_allow_ips to its address";
constexpr const char* kNoHttp2 = "prefork speaks HTTP/1.1 to the proxy in front, which speaks HTTP/2 to clients; remove the setting";
constexpr const char* kNoDirty = "there are no dirty workers; run the application's slow part in ordinary workers (raise workers or threads: a slow request "
                                 "delays no other) or in a task queue";
constexpr const char* kNoPaste = "PasteDeploy files are not read; write a module with `from paste.deploy import loadapp; application = "
                                 "loadapp('config:/path/app.ini')` and serve that";
constexpr const char* kStrictParser = "a request that needs it is answered 400, because proxies in front would read it differently; remove the setting and "
                                      "correct the client";

const Setting kTlsSettings[] = {
    {.name = "keyfile", .flags = "--keyfile", .also = "--ssl-keyfile", .meta = "FILE", .compat = Compat::Should, .fate = Fate::Refused, .advice = kNoTls,
     .help = "Private key."},
    {.name = "certfile", .flags = "--certfile", .also = "--ssl-certfile, --ssl-certificate", .meta = "FILE", .compat = Compat::Should,
     .fate = Fate::Refused, .advice = kNoTls, .help = "Certificate."},
    {.name = "ca_certs", .flags = "--ca-certs", .also = "--ssl-ca-certs", .meta = "FILE", .compat = Compat::Should, .fate = Fate::Refused,
     .advice = kNoTls, .help = "Certificates of authorities."},
    {.name = "cert_reqs", .flags = "--cert-reqs", .also = "--ssl-cert-reqs", .meta = "N", .compat = Compat::Should, .fate = Fate::Refused, .inert = "0",
     .advice = kNoTls, .help = "Whether clients need certificates."},
    {.name = "ciphers", .flags = "--ciphers", .also = "--ssl-ciphers", .meta = "LIST", .compat = Compat::Should, .fate = Fate::Warned, .advice = kNoTls,
     .help = "Ciphers."},
    {.name = "ssl_version", .flags = "--ssl-version", .meta = "N", .compat = Compat::Should, .fate = Fate::Warned, .inert = "2|TLS", .advice = kNoTls,
     .help = "Deprecated in gunicorn."},
    {.name = "suppress_ragged_eofs", .flags = "--suppress-ragged-eofs", .shape = Shape::Flag, .compat = Compat::Should, .fate = Fate::Ignored,
     .inert = "true", .advice = "it has no effect without TLS; remove it", .help = "No effect."},
    {.name = "do_handshake_on_connect", .flags = "--do-handshake-on-connect", .shape = Shape::Flag, .compat = Compat::Should, .fate = Fate::Ignored,
     .inert = "false", .advice = "it has no effect without TLS; remove it", .help = "No effect."},
    {.name = "ssl_context", .shape = Shape::Callable, .compat = Compat::Skip, .fate = Fate::Refused, .advice = kNoTls,
     .help = "ssl_context(config, default_factory)."},
};

const Setting kGunicornSettings[] = {
    {.name = "logger_class", .flags = "--logger-class", .meta = "CLASS", .compat = Compat::Skip, .fate = Fate::Warned,
     .inert = "gunicorn.glogging.Logger|simple|gunicorn.instrument.statsd.Statsd",
     .advice = "the logs are written by the master, which runs no Python; use access_log_format or access_log_json, and logconfig for the loggers of the workers",
     .help = "Class of the logger."},
    {.name = "spew", .flags = "--spew", .shape = Shape::Flag, .compat = Compat::Skip, .fate = Fate::Refused, .inert = "false",
     .advice = "lines are not traced; set PYTHONDEVMODE=1 or use `python -m trace`, and send SIGABRT to a worker for the stacks of its threads",
     .help = "Trace every line."},
    {.name = "worker_tmp_dir", .flags = "--worker-tmp-dir", .meta = "DIR", .compat = Compat::Should, .fate = Fate::Ignored,
     .advice = "workers show that they live in shared memory, no file is needed; remove it", .help = "Directory of the heartbeat files."},
    {.name = "protocol", .flags = "--protocol", .meta = "NAME", .compat = Compat::Should, .fate = Fate::Refused, .inert = "http",
     .advice = "only http is spoken; in nginx replace uwsgi_pass by proxy_pass", .help = "Protocol of the connections."},
    {.name = "uwsgi_allow_ips", .flags = "--uwsgi-allow-from", .meta = "IPS", .compat = Compat::Should, .fate = Fate::Ignored, .inert = "127.0.0.1,::1",
     .advice = "the uwsgi protocol is not spoken; remove it", .help = "Peers that may speak uwsgi."},
    {.name = "http_parser", .flags = "--http-parser", .meta = "NAME", .compat = Compat::Should, .fate = Fate::Warned, .inert = "auto|fast",
     .advice = "requests are always parsed by llhttp; remove it", .help = "Parser of requests."},
    {.name = "http_protocols", .flags = "--http-protocols", .meta = "LIST", .compat = Compat::Should, .fate = Fate::Refused, .inert = "h1",
     .advice = kNoHttp2, .help = "HTTP versions."},
    {.name = "http2_cleartext", .flags = "--http2-cleartext", .meta = "MODE", .compat = Compat::Should, .fate = Fate::Refused, .inert = "off|false",
     .advice = kNoHttp2, .help = "HTTP/2 without TLS."},
    {.name = "http2_max_concurrent_streams", .flags = "--http2-max-concurrent-streams", .meta = "N", .compat = Compat::Skip, .fate = Fate::Warned,
     .inert = "100", .advice = kNoHttp2, .help = "HTTP/2."},
    {.name = "http2_initial_window_size", .flags = "--http2-initial-window-size", .meta = "BYTES", .compat = Compat::Skip, .fate = Fate::Warned,
     .inert = "65535", .advice = kNoHttp2, .help = "HTTP/2."},
    {.name = "http2_max_frame_size", .flags = "--http2-max-frame-size", .meta = "BYTES", .compat = Compat::Skip, .fate = Fate::Warned, .inert = "16384",
     .advice = kNoHttp2, .help = "HTTP/2."},
    {.name = "http2_max_header_list_size", .flags = "--http2-max-header-list-size", .meta = "BYTES", .compat = Compat::Skip, .fate = Fate::Warned,
     .inert = "65536", .advice = kNoHttp2, .help = "HTTP/2."},
    {.name = "paste", .flags = "--paste, --paster", .meta = "FILE", .compat = Compat::Skip, .fate = Fate::Refused, .advice = kNoPaste,
     .help = "PasteDeploy file."},
    {.name = "raw_paste_global_conf", .flags = "--paste-global", .meta = "KEY=VALUE", .compat = Compat::Skip, .fate = Fate::Refused, .advice = kNoPaste,
     .help = "PasteDeploy variables."},
    {.name = "strip_header_spaces", .flags = "--strip-header-spaces", .shape = Shape::Flag, .compat = Compat::Skip, .fate = Fate::Warned,
     .inert = "false", .advice = kStrictParser, .help = "Accept a space before the colon of a header field."},
    {.name = "permit_unconventional_http_method", .flags = "--permit-unconventional-http-method", .shape = Shape::Flag, .compat = Compat::Skip,
     .fate = Fate::Warned, .inert = "false", .advice = kStrictParser, .help = "Accept methods of any form."},
    {.name = "casefold_http_method", .flags = "--casefold-http-method", .shape = Shape::Flag, .compat = Compat::Skip, .fate = Fate::Warned,
     .inert = "false", .advice = kStrictParser, .help = "Accept methods in small letters."},
    {.name = "dirty_apps", .flags = "--dirty-app", .meta = "APP", .compat = Compat::Skip, .fate = Fate::Refused, .advice = kNoDirty,
     .help = "Dirty workers."},
    {.name = "dirty_workers", .flags = "--dirty-workers", .meta = "N", .compat = Compat::Skip, .fate = Fate::Warned, .inert = "0", .advice = kNoDirty,
     .help = "Dirty workers."},
    {.name = "dirty_timeout", .flags = "--dirty-timeout", .meta = "N", .compat = Compat::Skip, .fate = Fate::Warned, .inert = "300", .advice = kNoDirty,
     .help = "Dirty workers."},
    {.name = "dirty_threads", .flags = "--dirty-threads", .meta = "N", .compat = Compat::Skip, .fate = Fate::Warned, .inert = "1", .advice = kNoDirty,
     .help = "Dirty workers."},
    {.name = "dirty_graceful_timeout", .flags = "--dirty-graceful-timeout", .meta = "N", .compat = Compat::Skip, .fate = Fate::Warned, .inert = "30",
     .advice = kNoDirty, .help = "Dirty workers."},
    {.name = "on_dirty_starting", .shape = Shape::Callable, .compat = Compat::Skip, .fate = Fate::Warned, .advice = kNoDirty, .help = "Dirty workers."},
    {.name = "dirty_post_fork", .shape = Shape::Callable, .compat = Compat::Skip, .fate = Fate::Warned, .advice = kNoDirty, .help = "Dirty workers."},
    {.name = "dirty_worker_init", .shape = Shape::Callable, .compat = Compat::Skip, .fate = Fate::Warned, .advice = kNoDirty, .help = "Dirty workers."},
    {.name = "dirty_worker_exit", .shape = Shape::Callable, .compat = Compat::Skip, .fate = Fate::Warned, .advice = kNoDirty, .help = "Dirty workers."},
};

}  // namespace

std::span<const Setting> tls_settings() { return kTlsSettings; }

std::span<const Setting> gunicorn_only_settings() { return kGunicornSettings; }

}  // namespace prefork
