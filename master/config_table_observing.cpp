#include "master/config_check.hpp"
#include "master/config_table.hpp"

namespace prefork {
namespace {

const Setting kLoggingSettings[] = {
    {.name = "accesslog", .flags = "--access-logfile", .field = &Config::accesslog, .meta = "FILE", .compat = Compat::Must,
     .help = "Access log; - is the standard output. Written by the master."},
    {.name = "access_log_format", .flags = "--access-logformat", .also = "--access-log-fmt", .field = &Config::access_log_format, .meta = "FORMAT",
     .compat = Compat::Must, .help = "Format of the access log; docs/observability.md lists its atoms."},
    {.name = "access_log_json", .flags = "--access-log-json", .field = &Config::access_log_json, .help = "Write the access log as JSON, one object a line."},
    {.name = "disable_redirect_access_to_syslog", .flags = "--disable-redirect-access-to-syslog", .field = &Config::disable_redirect_access_to_syslog,
     .compat = Compat::Should, .help = "Keep the access log out of syslog."},
    {.name = "errorlog", .flags = "--error-logfile, --log-file", .field = &Config::errorlog, .meta = "FILE", .compat = Compat::Must,
     .help = "Error log; - is the standard error."},
    {.name = "loglevel", .flags = "--log-level", .field = &Config::loglevel, .meta = "LEVEL", .choices = "debug|info|warning|error|critical",
     .synonyms = "trace=debug|warn=warning|fatal=critical", .compat = Compat::Must, .help = "Least severe messages that the error log shows."},
    {.name = "error_log_json", .flags = "--error-log-json", .field = &Config::error_log_json, .help = "Write the error log as JSON, one object a line."},
    {.name = "capture_output", .flags = "--capture-output", .field = &Config::capture_output, .compat = Compat::Must,
     .help = "Send the workers' standard output and error to the error log."},
    {.name = "logconfig", .flags = "--log-config", .other_names = "log_config", .field = &Config::logconfig, .meta = "FILE",
     .allowed = "a file that can be read", .compat = Compat::Should,
     .help = "Logging configuration (ini, or JSON when it ends in .json) of the Python loggers in the workers."},
    {.name = "logconfig_dict", .field = &Config::logconfig_dict, .shape = Shape::Json, .compat = Compat::Should,
     .help = "The same as a dict, for logging.config.dictConfig."},
    {.name = "logconfig_json", .flags = "--log-config-json", .field = &Config::logconfig_json, .meta = "FILE",
     .allowed = "a file that can be read", .compat = Compat::Should, .help = "The same as a JSON file."},
    {.name = "syslog", .flags = "--log-syslog", .field = &Config::syslog, .compat = Compat::Should, .help = "Send the logs to syslog."},
    {.name = "syslog_addr", .flags = "--log-syslog-to", .field = &Config::syslog_addr, .meta = "ADDRESS", .check = check::syslog_address,
     .allowed = "udp://HOST:PORT, tcp://HOST:PORT, unix://PATH, unix://PATH#dgram or unix://PATH#stream", .compat = Compat::Should,
     .help = "Where syslog listens: udp://HOST:PORT, tcp://HOST:PORT or unix://PATH#dgram."},
    {.name = "syslog_prefix", .flags = "--log-syslog-prefix", .field = &Config::syslog_prefix, .meta = "TEXT", .compat = Compat::Should,
     .help = "The program's name in syslog is prefork.TEXT."},
    {.name = "syslog_facility", .flags = "--log-syslog-facility", .field = &Config::syslog_facility, .meta = "NAME",
     .choices = "auth|authpriv|cron|daemon|ftp|kern|lpr|mail|news|security|syslog|user|uucp|local0|local1|local2|local3|local4|local5|local6|local7",
     .compat = Compat::Should, .help = "Syslog facility."},
    {.name = "enable_stdio_inheritance", .flags = "-R, --enable-stdio-inheritance", .field = &Config::enable_stdio_inheritance,
     .on_reload = OnReload::Keeps, .compat = Compat::Should, .help = "With --daemon, keep the standard output and error."},
    {.name = "request_id_header", .flags = "--request-id-header", .field = &Config::request_id_header, .meta = "NAME", .check = check::header_name,
     .allowed = "the name of a header field", .help = "Header field from which a trusted proxy's request id is taken; otherwise one is made."},
    {.name = "request_id_response", .flags = "--request-id-response", .field = &Config::request_id_response, .help = "Send the request id in the reply."},
    {.name = "server_timing", .flags = "--server-timing", .field = &Config::server_timing, .help = "Send Server-Timing and X-Queue-Time in replies."},
};

const Setting kMetricsSettings[] = {
    {.name = "health_path", .flags = "--health-path", .field = &Config::health_path, .shape = Shape::CommaList, .meta = "PATHS", .check = check::url_path,
     .allowed = "paths that start with /, separated by commas", .help = "Paths of the liveness and the readiness check, such as /livez,/readyz, answered by the master."},
    {.name = "health_bind", .flags = "--health-bind", .field = &Config::health_bind, .meta = "ADDRESS", .check = check::bind_address,
     .allowed = kBindAddressForms.data(), .on_reload = OnReload::Keeps, .help = "Answer health checks on this address instead of the main ones."},
    {.name = "metrics_path", .flags = "--metrics-path", .field = &Config::metrics_path, .meta = "PATH", .check = check::url_path,
     .allowed = "a path that starts with /", .help = "Path of the metrics in Prometheus' text format."},
    {.name = "metrics_bind", .flags = "--metrics-bind", .field = &Config::metrics_bind, .meta = "ADDRESS", .check = check::bind_address,
     .allowed = kBindAddressForms.data(), .on_reload = OnReload::Keeps, .help = "Serve metrics on this address instead of the main ones."},
    {.name = "statsd_host", .flags = "--statsd-host", .field = &Config::statsd_host, .meta = "ADDRESS", .check = check::statsd_address,
     .allowed = "HOST:PORT or unix://PATH", .compat = Compat::Should, .help = "Send metrics to this statsd: HOST:PORT or unix://PATH."},
    {.name = "statsd_prefix", .flags = "--statsd-prefix", .field = &Config::statsd_prefix, .meta = "TEXT", .compat = Compat::Should,
     .help = "Put in front of the metrics' names; a dot is added."},
    {.name = "dogstatsd_tags", .flags = "--dogstatsd-tags", .field = &Config::dogstatsd_tags, .meta = "TAGS", .compat = Compat::Should,
     .help = "Tags of the metrics, separated by commas, in the dialect of Datadog."},
    {.name = "enable_backlog_metric", .flags = "--enable-backlog-metric", .field = &Config::enable_backlog_metric, .compat = Compat::Should,
     .help = "Send the number of connections in the kernel's backlog to statsd."},
};

}  // namespace

std::span<const Setting> logging_settings() { return kLoggingSettings; }

std::span<const Setting> metrics_settings() { return kMetricsSettings; }

}  // namespace prefork
