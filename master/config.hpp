// Everything that an operator may decide, as one plain struct: a field is named after its setting, as in gunicorn where
// gunicorn has it. Filled by load_config (config_load.hpp), which is the only code that reads options, environment
// variables and configuration files; everybody else reads this struct and nothing else. The default of a setting is the
// initialiser of its field. Durations have milliseconds, sizes count bytes, "" and 0 mean "not set" or "off" unless said
// otherwise. Owned by the server; constant after loading (a reload makes a new one).
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "master/bind_address.hpp"

namespace prefork {

struct Config {
  using Milliseconds = std::chrono::milliseconds;
  using Strings = std::vector<std::string>;

  // Application
  std::string app;                 // module, module:name or module:factory(...); "" = the demonstration page
  std::string builtin_app;         // "echo": the C++ EchoApp workers instead of Python (--app echo)
  std::string interface = "auto";  // auto, wsgi, asgi, native
  bool factory = false;            // call the application once without arguments to get the real one
  std::string python;              // interpreter of the application's environment; resolved, never empty after loading
  std::string chdir;               // absolute after loading; the server goes there before it opens anything
  Strings pythonpath;              // put in front of sys.path, the first entry first
  Strings raw_env;                 // KEY=VALUE, of env_file first
  std::string env_file;
  std::string root_path;  // SCRIPT_NAME of WSGI, root_path of ASGI
  bool preload_app = false;

  // Server socket
  Strings bind = {"127.0.0.1:8000"};
  std::vector<BindAddress> bind_addresses;  // `bind`, parsed
  int backlog = 2048;
  bool reuse_port = false;

  // Workers
  int workers = 1;                    // `auto` is resolved while loading
  std::string worker_class = "auto";  // as given; what it means is in `interface` and `asgi_loop`
  int threads = 1;
  int worker_connections = 1000;          // ASGI requests in flight per worker
  std::string sticky;                     // cookie:NAME, header:NAME or ip; empty: off
  std::uint64_t shared_memory = 1 << 20;  // prefork.shared; 0: none
  int max_requests = 0;
  int max_requests_jitter = 0;
  Milliseconds max_lifetime{0};
  std::uint64_t max_worker_rss = 0;
  Milliseconds timeout{30'000};  // 0 = off
  Milliseconds graceful_timeout{30'000};
  Milliseconds boot_timeout{120'000};
  std::string reload_mode = "rolling";  // rolling, surge
  Milliseconds drain_delay{0};
  bool retry_crashed = false;

  // Queue
  int queue_size = 10'000;             // requests
  Milliseconds queue_timeout{60'000};  // 0 = off
  Milliseconds request_timeout{0};
  Milliseconds hold_timeout{30'000};
  int limit_concurrency = 0;  // requests started and waiting at once in the whole server; more get 503

  // HTTP
  // Longer than the idle timeouts of load balancers (60 s at AWS and nginx): the side that reuses a connection must be the
  // one that closes it, or a request meets a closing connection and becomes a 502. gunicorn's 2 s can afford no idle
  // connections because they cost it workers; here they cost memory only.
  Milliseconds keepalive{75'000};
  Milliseconds header_timeout{10'000};  // from the first byte of a head to its last
  std::uint64_t body_min_rate = 500;    // bytes a second of an upload, 0 = off
  Milliseconds send_timeout{60'000};    // without any progress of a write
  int limit_request_line = 4094;        // 0 = off
  int limit_request_fields = 100;
  int limit_request_field_size = 8190;          // 0 = 8190
  std::uint64_t limit_request_head = 64 << 10;  // request line and all fields together
  std::uint64_t limit_request_body = 0;
  bool request_buffering = true;           // WSGI: collect the body before a worker is taken
  std::uint64_t request_buffer = 1 << 20;  // of it in memory, the rest in a temporary file
  std::uint64_t request_spool_total = std::uint64_t{4} << 30;
  std::uint64_t response_buffer = 1 << 20;
  std::uint64_t response_spool = 64 << 20;
  std::uint64_t response_spool_total = std::uint64_t{4} << 30;
  std::string tmp_upload_dir;  // "" = $TMPDIR or /tmp
  int pipeline_depth = 16;
  bool permit_obsolete_folding = false;
  bool permit_unconventional_http_method = false;
  bool permit_unconventional_http_version = false;
  std::string header_map = "drop";  // drop, refuse, dangerous
  bool sendfile = true;
  bool server_header = true;
  bool date_header = true;
  Strings header;  // "Name: value", added to every reply

  // Behind a proxy
  Strings forwarded_allow_ips = {"127.0.0.1", "::1"};  // addresses, networks, "*"
  bool proxy_headers = false;  // the peer of the application is the client that a trusted proxy names
  int trusted_hops = 0;        // 0 = walk back while the addresses are trusted; N = the Nth from the right
  std::map<std::string, std::string> secure_scheme_headers = {
      {"X-FORWARDED-PROTOCOL", "ssl"}, {"X-FORWARDED-PROTO", "https"}, {"X-FORWARDED-SSL", "on"}};
  Strings forwarder_headers = {"SCRIPT_NAME", "PATH_INFO"};
  std::string proxy_protocol = "off";  // off, v1, v2, auto
  Strings proxy_allow_ips = {"127.0.0.1", "::1"};

  // ASGI and WebSocket
  std::string asgi_loop = "auto";      // auto, asyncio, uvloop
  std::string asgi_lifespan = "auto";  // auto, on, off
  Milliseconds asgi_disconnect_grace_period{3'000};
  bool eager = true;  // run a coroutine without a Task until it first suspends
  std::uint64_t websocket_max_message_size = 16 << 20;
  Milliseconds ws_ping_interval{20'000};
  Milliseconds ws_ping_timeout{20'000};
  bool ws_per_message_deflate = true;
  int ws_max_queue = 32;  // messages

  // Logging
  std::string accesslog;  // "" = none, "-" = stdout
  std::string access_log_format = "%(h)s %(l)s %(u)s %(t)s \"%(r)s\" %(s)s %(b)s \"%(f)s\" \"%(a)s\"";
  bool access_log_json = false;
  bool disable_redirect_access_to_syslog = false;
  std::string errorlog = "-";     // "-" = stderr
  std::string loglevel = "info";  // debug, info, warning, error, critical
  bool error_log_json = false;
  bool capture_output = false;
  std::string logconfig;       // ini file, for the workers' loggers
  std::string logconfig_dict;  // JSON text, or "@file" when it holds objects that only the file itself can make
  std::string logconfig_json;  // JSON file
  bool syslog = false;
  std::string syslog_addr = "udp://localhost:514";
  std::string syslog_prefix;
  std::string syslog_facility = "user";
  bool enable_stdio_inheritance = false;
  std::string request_id_header = "X-Request-ID";
  bool request_id_response = false;  // send the request id in the reply
  bool server_timing = false;        // Server-Timing and X-Queue-Time in replies

  // Metrics and health
  std::string statsd_host;  // HOST:PORT or unix://PATH
  std::string statsd_prefix;
  std::string dogstatsd_tags;
  bool enable_backlog_metric = false;
  std::string metrics_path;
  std::string metrics_bind;
  Strings health_path;  // liveness, readiness
  std::string health_bind;

  // Process
  bool daemon = false;
  std::string pidfile;
  std::string user;  // "" = unchanged
  std::string group;
  int uid = -1;  // `user`, looked up
  int gid = -1;  // `group`, looked up
  int umask = 0;
  bool initgroups = false;
  std::string proc_name;  // "" = default_proc_name
  std::string default_proc_name = "prefork";
  std::string control_socket;  // never empty after loading unless control_socket_disable
  int control_socket_mode = 0600;
  bool control_socket_disable = false;

  // Development
  bool reload = false;
  std::string reload_engine = "auto";  // auto, poll, inotify
  Strings reload_extra_files;
  Strings reload_dirs;      // "" list = chdir and what the application imported
  Strings reload_includes;  // globs
  Strings reload_excludes;

  // Shared memory
  std::uint64_t request_ring = 1 << 20;
  std::uint64_t reply_ring = 1 << 20;
  std::chrono::microseconds spin{0};

  // This run
  std::string config;  // the configuration file as given with -c
  bool check_config = false;
  std::string print_config;  // text, json

  // From the configuration file, for the processes that run its hook functions
  Strings hooks;                 // names of the hook functions it sets
  std::string config_path;       // absolute path, or the module's name; "" = no file
  std::string config_kind;       // "file", "module", ""
  std::string launch_directory;  // where the file is evaluated; "" when it was removed since
};

}  // namespace prefork
