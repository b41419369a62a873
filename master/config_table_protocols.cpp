#include "master/config_check.hpp"
#include "master/config_table.hpp"

namespace prefork {
namespace {

constexpr const char* kNetworks = "addresses, networks such as 10.0.0.0/8 (host bits zero) or *, separated by commas";

const Setting kProxySettings[] = {
    {.name = "forwarded_allow_ips",
     .flags = "--forwarded-allow-ips",
     .field = &Config::forwarded_allow_ips,
     .shape = Shape::CommaList,
     .meta = "IPS",
     .check = check::network,
     .allowed = kNetworks,
     .default_note = "127.0.0.1,::1 or $FORWARDED_ALLOW_IPS",
     .compat = Compat::Must,
     .help = "Proxies whose forwarding headers are believed. Peers on unix sockets always are."},
    {.name = "proxy_headers",
     .flags = "--proxy-headers",
     .field = &Config::proxy_headers,
     .help = "Give the application the client address, host and port that a trusted proxy names (X-Forwarded-*, "
             "Forwarded) instead of the proxy's."},
    {.name = "trusted_hops",
     .flags = "--trusted-hops",
     .field = &Config::trusted_hops,
     .meta = "N",
     .max = 100,
     .help = "Take the Nth address from the right of the forwarding list. 0: walk back while the addresses are in "
             "forwarded_allow_ips."},
    {.name = "secure_scheme_headers",
     .field = &Config::secure_scheme_headers,
     .compat = Compat::Must,
     .help = "Header fields and values by which a trusted proxy says that its client uses https. Contradictions are "
             "answered 400."},
    {.name = "forwarder_headers",
     .flags = "--forwarder-headers",
     .field = &Config::forwarder_headers,
     .shape = Shape::CommaList,
     .meta = "NAMES",
     .compat = Compat::Must,
     .help = "Header fields that only trusted proxies may set, whatever header_map says; * is every one."},
    {.name = "proxy_protocol",
     .flags = "--proxy-protocol",
     .field = &Config::proxy_protocol,
     .meta = "MODE",
     .bare = "auto",
     .choices = "off|v1|v2|auto",
     .synonyms = "false=off|true=auto",
     .compat = Compat::Should,
     .help = "Expect a PROXY protocol header at the start of each connection."},
    {.name = "proxy_allow_ips",
     .flags = "--proxy-allow-from",
     .field = &Config::proxy_allow_ips,
     .shape = Shape::CommaList,
     .meta = "IPS",
     .check = check::network,
     .allowed = kNetworks,
     .compat = Compat::Should,
     .help = "Proxies that may send the PROXY protocol."},
};

const Setting kAsgiSettings[] = {
    {.name = "asgi_loop",
     .flags = "--asgi-loop, --loop",
     .other_names = "loop",
     .field = &Config::asgi_loop,
     .meta = "LOOP",
     .choices = "auto|asyncio|uvloop",
     .compat = Compat::Must,
     .help = "Event loop of the workers; auto takes uvloop when it is installed."},
    {.name = "asgi_lifespan",
     .flags = "--asgi-lifespan, --lifespan",
     .other_names = "lifespan",
     .field = &Config::asgi_lifespan,
     .meta = "MODE",
     .choices = "auto|on|off",
     .compat = Compat::Must,
     .help = "The lifespan protocol: on makes its failure the worker's failure, auto goes on without it when the "
             "application does not know it."},
    {.name = "asgi_disconnect_grace_period",
     .flags = "--asgi-disconnect-grace-period",
     .field = &Config::asgi_disconnect_grace_period,
     .meta = "SECONDS",
     .compat = Compat::Should,
     .help = "Time from http.disconnect to the cancellation of the request's task."},
    {.name = "eager",
     .flags = "--eager",
     .field = &Config::eager,
     .help = "Run a request without a Task until it first suspends."},
    {.name = "websocket_max_message_size",
     .flags = "--websocket-max-message-size, --ws-max-size",
     .other_names = "ws_max_size",
     .field = &Config::websocket_max_message_size,
     .meta = "SIZE",
     .min = 1,
     .compat = Compat::Must,
     .help = "Length of a WebSocket message; a longer one closes the socket with 1009."},
    {.name = "ws_ping_interval",
     .flags = "--ws-ping-interval",
     .field = &Config::ws_ping_interval,
     .meta = "SECONDS",
     .help = "Time between pings to a WebSocket client. 0: none."},
    {.name = "ws_ping_timeout",
     .flags = "--ws-ping-timeout",
     .field = &Config::ws_ping_timeout,
     .meta = "SECONDS",
     .help = "Time that a client has to answer a ping. 0: no limit."},
    {.name = "ws_per_message_deflate",
     .flags = "--ws-per-message-deflate",
     .field = &Config::ws_per_message_deflate,
     .help = "Compress WebSocket messages when the client offers it."},
    {.name = "ws_max_queue",
     .flags = "--ws-max-queue",
     .field = &Config::ws_max_queue,
     .meta = "N",
     .min = 1,
     .help = "Messages of one socket that wait for the application before its client is no longer read."},
};

}  // namespace

std::span<const Setting> proxy_settings() { return kProxySettings; }

std::span<const Setting> asgi_settings() { return kAsgiSettings; }

}  // namespace prefork
