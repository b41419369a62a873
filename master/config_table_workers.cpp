#include "master/config_check.hpp"
#include "master/config_table.hpp"

namespace prefork {
namespace {

const Setting kSettings[] = {
    {.name = "workers", .flags = "-w, --workers", .field = &Config::workers, .shape = Shape::Workers, .meta = "N", .min = 1, .max = 4096,
     .default_note = "1 or $WEB_CONCURRENCY", .compat = Compat::Must,
     .help = "Worker processes. auto: one for each CPU that the container's limit and the affinity mask leave."},
    {.name = "worker_class", .flags = "-k, --worker-class", .field = &Config::worker_class, .shape = Shape::Class, .meta = "CLASS", .compat = Compat::Must,
     .help = "For gunicorn's command lines: sync and gthread mean --interface wsgi; asgi and uvicorn's classes mean --interface asgi."},
    {.name = "threads", .flags = "--threads", .also = "--blocking-threads", .field = &Config::threads, .meta = "N", .min = 1, .max = 4096,
     .compat = Compat::Must, .help = "Threads of a WSGI worker; each takes the next request from the common queue when it is free."},
    {.name = "worker_connections", .flags = "--worker-connections", .also = "--backpressure", .field = &Config::worker_connections, .meta = "N", .min = 1,
     .compat = Compat::Should, .help = "Requests that an ASGI worker has in flight at most."},
    {.name = "max_requests", .flags = "--max-requests", .also = "--limit-max-requests", .field = &Config::max_requests, .meta = "N", .compat = Compat::Must,
     .help = "Requests after which a worker is replaced; the replacement is ready before it goes. 0: never."},
    {.name = "max_requests_jitter", .flags = "--max-requests-jitter", .also = "--limit-max-requests-jitter", .field = &Config::max_requests_jitter,
     .meta = "N", .compat = Compat::Must, .help = "Up to so many more, by chance, so that workers do not all go at once."},
    {.name = "max_lifetime", .flags = "--max-lifetime", .also = "--workers-lifetime", .field = &Config::max_lifetime, .meta = "SECONDS",
     .help = "Age at which a worker is replaced. 0: never."},
    {.name = "max_worker_rss", .flags = "--max-worker-rss", .field = &Config::max_worker_rss, .meta = "SIZE",
     .help = "Resident memory at which a worker is replaced as soon as it is idle. 0: never."},
    {.name = "timeout", .flags = "-t, --timeout", .field = &Config::timeout, .meta = "SECONDS", .compat = Compat::Must,
     .help = "A worker is killed when its only thread runs one request for longer, or, with several threads or ASGI, when it shows no sign of life "
             "for so long. 0: never."},
    {.name = "graceful_timeout", .flags = "--graceful-timeout", .also = "--timeout-graceful-shutdown, --workers-kill-timeout",
     .field = &Config::graceful_timeout, .meta = "SECONDS", .compat = Compat::Must,
     .help = "Time that running requests have to finish at a stop or a reload, from the signal on."},
    {.name = "boot_timeout", .flags = "--boot-timeout", .field = &Config::boot_timeout, .meta = "SECONDS",
     .help = "Time that a worker has to load the application. 0: no limit."},
    {.name = "reload_mode", .flags = "--reload-mode", .field = &Config::reload_mode, .meta = "MODE", .choices = "rolling|surge",
     .help = "How SIGHUP replaces workers: rolling, one after the other; surge, all new ones beside all old ones."},
    {.name = "drain_delay", .flags = "--drain-delay", .field = &Config::drain_delay, .meta = "SECONDS",
     .help = "After SIGTERM, fail readiness checks but accept connections for so long, until load balancers have noticed."},
    {.name = "retry_crashed", .flags = "--retry-crashed", .field = &Config::retry_crashed,
     .help = "Run a GET, HEAD, OPTIONS or TRACE once more when its worker died before the first byte of the reply, instead of answering 502."},
    {.name = "sticky", .flags = "--sticky", .field = &Config::sticky, .meta = "KEY", .check = check::sticky_key,
     .allowed = "ip, cookie:NAME or header:NAME", .help = "Send requests with the same key to the same worker while it lives."},
    {.name = "queue_size", .flags = "--queue-size", .field = &Config::queue_size, .meta = "N", .min = 1,
     .help = "Requests that wait for a worker at most; more are answered 503 with Retry-After."},
    {.name = "queue_timeout", .flags = "--queue-timeout", .field = &Config::queue_timeout, .meta = "SECONDS",
     .help = "Time after which a waiting request is answered 503 without having been started. 0: no limit."},
    {.name = "request_timeout", .flags = "--request-timeout", .field = &Config::request_timeout, .meta = "SECONDS",
     .help = "Time after which a request that has no reply yet is answered 504. 0: no limit."},
    {.name = "hold_timeout", .flags = "--hold-timeout", .field = &Config::hold_timeout, .meta = "SECONDS",
     .help = "Time that requests wait while no worker is ready at all, as during the start."},
    {.name = "limit_concurrency", .flags = "--limit-concurrency", .field = &Config::limit_concurrency, .meta = "N",
     .help = "Requests, waiting and running, in the whole server at once; more are answered 503. 0: no limit."},
    {.name = "request_ring", .flags = "--request-ring", .field = &Config::request_ring, .meta = "SIZE", .min = 4096, .max = 1 << 30,
     .help = "Shared memory for requests to one worker; rounded up to a power of two."},
    {.name = "reply_ring", .flags = "--reply-ring", .field = &Config::reply_ring, .meta = "SIZE", .min = 4096, .max = 1 << 30,
     .help = "Shared memory for replies of one worker; rounded up to a power of two."},
    {.name = "spin", .flags = "--spin", .field = &Config::spin, .meta = "MICROSECONDS",
     .help = "Time that a worker looks for the next request before it sleeps. Helps only where cores are idle."},
};

}  // namespace

std::span<const Setting> worker_settings() { return kSettings; }

}  // namespace prefork
