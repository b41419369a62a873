// Flags that people know from uvicorn and granian and that are more than another name of a setting.
#include "master/config_check.hpp"
#include "master/config_sources.hpp"

namespace prefork {
namespace {

using Result = ForeignFlagResult;

std::string no_need(const std::string&, Result&) { return "not needed here"; }

std::string no_tls(const std::string&, Result& result) {
  result.refusal = "prefork does not speak TLS yet; end it in the proxy in front";
  return {};
}

std::string no_http2(const std::string&, Result&) { return "HTTP/2 is left to the proxy in front"; }

std::string no_way_without_websockets(const std::string&, Result& result) {
  result.refusal = "WebSockets cannot be switched off, remove their routes";
  return {};
}

std::string no_static_files(const std::string&, Result& result) {
  result.refusal = "files are for the proxy in front, or for the application (WhiteNoise, StaticFiles)";
  return {};
}

std::string to_metrics_bind(const std::string&, Result& result) {
  result.refusal = "numbers are served at --metrics-bind ADDRESS:PORT, or at --metrics-path PATH of every address";
  return {};
}

// A name or an address without a port; "" is every address.
bool is_host(std::string_view text) {
  if (text.find(':') == std::string_view::npos) return text.empty() || parse_bind_address(text).has_value();
  if (text.starts_with('[') && text.ends_with(']')) text = text.substr(1, text.size() - 2);
  text = text.substr(0, text.find('%'));
  return text.find('/') == std::string_view::npos && check::network(text);
}

std::string to_reload_excludes(const std::string& value, Result& result) {
  result.assignments.emplace_back("reload_excludes", value);
  return "the setting reload_excludes";
}

std::string to_limit_request_head(const std::string& value, Result& result) {
  result.assignments.emplace_back("limit_request_head", value);
  return "the setting limit_request_head";
}

const ForeignFlag kForeignFlags[] = {
    {"--app", true, "prefork",
     [](const std::string& value, Result& result) -> std::string {
       result.assignments.emplace_back(value == "echo" ? "builtin_app" : "wsgi_app", value);
       return value == "echo" ? "the built-in application" : "the application";
     }},
    {"--host", true, "uvicorn",
     [](const std::string& value, Result& result) -> std::string {
       result.host = value;
       if (!is_host(value))
         result.refusal = "'" + value + "' given; allowed: a host's name or address, without the port";
       return "first half of the setting bind";
     }},
    {"--port", true, "uvicorn",
     [](const std::string& value, Result& result) -> std::string {
       result.port = value;
       if (!parse_bind_address(":" + value)) result.refusal = "'" + value + "' given; allowed: a port from 0 to 65535";
       return "second half of the setting bind";
     }},
    {"--uds", true, "uvicorn",
     [](const std::string& value, Result& result) -> std::string {
       result.assignments.emplace_back("bind", "unix:" + value);
       result.place = true;
       return "the setting bind with unix:" + value;
     }},
    {"--fd", true, "uvicorn",
     [](const std::string& value, Result& result) -> std::string {
       result.assignments.emplace_back("bind", "fd://" + value);
       result.place = true;
       return "the setting bind with fd://" + value;
     }},
    {"--app-dir", true, "uvicorn",
     [](const std::string& value, Result& result) -> std::string {
       result.assignments.emplace_back("pythonpath", value);
       return "the setting pythonpath";
     }},
    {"--access-log", false, "uvicorn",
     [](const std::string& value, Result& result) -> std::string {
       result.assignments.emplace_back("accesslog", value == "true" ? "-" : "");
       return value == "true" ? "the setting accesslog with -" : "the setting accesslog without a file";
     }},
    {"--http", true, "uvicorn and granian",
     [](const std::string& value, Result& result) -> std::string {
       if (value == "2") result.refusal = "'2' given; prefork speaks HTTP/1.1, leave HTTP/2 to the proxy in front";
       return "requests are always parsed by llhttp";
     }},
    {"--uds-permissions", true, "granian",
     [](const std::string&, Result& result) -> std::string {
       result.refusal = "the mode of a unix socket follows the mask: -m 0117 makes it 0660";
       return {};
     }},
    {"--ws", true, "uvicorn and granian",
     [](const std::string& value, Result& result) {
       return value == "none" ? no_way_without_websockets(value, result) : "WebSockets are spoken by the master";
     },
     "auto|none|websockets|websockets-sansio|wsproto"},
    {"--no-ws", false, "granian", no_way_without_websockets},
    {"--workers-max-rss", true, "granian",
     [](const std::string& value, Result& result) -> std::string {
       result.assignments.emplace_back("max_worker_rss", value + "M");
       return "the setting max_worker_rss, in MiB";
     }},
    {"--http2", false, "uvicorn",
     [](const std::string& value, Result& result) -> std::string {
       if (value == "true") result.refusal = "prefork speaks HTTP/1.1, leave HTTP/2 to the proxy in front";
       return "requests are always HTTP/1.1";
     }},
    {"--ssl-keyfile-password", true, "uvicorn and granian", no_tls},
    {"--ssl-protocol-min", true, "granian", no_tls},
    {"--ssl-ca", true, "granian", no_tls},
    {"--ssl-crl", true, "granian", no_tls},
    {"--ssl-client-verify", false, "granian",
     [](const std::string& value, Result& result) { return value == "true" ? no_tls(value, result) : "off, as here"; }},
    {"--reset-contextvars", false, "uvicorn", no_need},
    {"--use-colors", false, "uvicorn", no_need},
    {"--h11-max-incomplete-event-size", true, "uvicorn", to_limit_request_head},
    {"--http1-buffer-size", true, "granian", to_limit_request_head},
    {"--http1-header-read-timeout", true, "granian",
     [](const std::string& value, Result& result) -> std::string {
       result.assignments.emplace_back("header_timeout", value + "ms");
       return "the setting header_timeout, in milliseconds";
     }},
    {"--http1-keep-alive", false, "granian",
     [](const std::string& value, Result& result) -> std::string {
       if (value == "false") result.assignments.emplace_back("keepalive", "0");
       return value == "false" ? "the setting keepalive with 0" : "connections are kept";
     }},
    {"--log", false, "granian",
     [](const std::string& value, Result& result) -> std::string {
       if (value == "false") result.assignments.emplace_back("loglevel", "critical");
       return value == "false" ? "the setting loglevel with critical" : "the log is on";
     }},
    {"--metrics", false, "granian",
     [](const std::string& value, Result& result) {
       return value == "true" ? to_metrics_bind(value, result) : "off unless asked for";
     }},
    {"--metrics-address", true, "granian", to_metrics_bind},
    {"--metrics-port", true, "granian", to_metrics_bind},
    {"--static-path-route", true, "granian", no_static_files},
    {"--static-path-mount", true, "granian", no_static_files},
    {"--static-path-dir-to-file", true, "granian", no_static_files},
    {"--static-path-expires", true, "granian", no_static_files},
    {"--reload-ignore-dirs", true, "granian", to_reload_excludes},
    {"--reload-ignore-paths", true, "granian", to_reload_excludes},
    {"--timeout-worker-healthcheck", true, "uvicorn", no_need},
    {"--reload-delay", true, "uvicorn", no_need},
    {"--respawn-failed-workers", false, "granian", no_need},
    {"--respawn-interval", true, "granian", no_need},
    {"--runtime-mode", true, "granian", no_need},
    {"--runtime-threads", true, "granian", no_need},
    {"--task-impl", true, "granian", no_need},
    {"--runtime-blocking-threads", true, "granian", no_need},
    {"--blocking-threads-idle-timeout", true, "granian", no_need},
    {"--http1-pipeline-flush", false, "granian", no_need},
    {"--rss-sample-interval", true, "granian", no_need},
    {"--rss-samples", true, "granian", no_need},
    {"--metrics-scrape-interval", true, "granian", no_need},
    {"--reload-tick", true, "granian", no_need},
    {"--reload-ignore-worker-failure", false, "granian", no_need},
    {"--http2-adaptive-window", false, "granian", no_http2},
    {"--http2-initial-connection-window-size", true, "granian", no_http2},
    {"--http2-initial-stream-window-size", true, "granian", no_http2},
    {"--http2-keep-alive-interval", true, "granian", no_http2},
    {"--http2-keep-alive-timeout", true, "granian", no_http2},
    {"--http2-max-headers-size", true, "granian", no_http2},
    {"--http2-max-send-buffer-size", true, "granian", no_http2},
};

}  // namespace

std::span<const ForeignFlag> foreign_flags() { return kForeignFlags; }

std::optional<std::vector<std::string>> split_shell_words(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  bool inside = false;  // a word has begun, if only with an empty pair of quotes
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
      if (inside) words.push_back(std::move(word));
      word.clear();
      inside = false;
      continue;
    }
    inside = true;
    if (c == '\\') {
      if (++at == text.size()) return std::nullopt;
      word += text[at];
    } else if (c == '\'' || c == '"') {
      for (++at; at < text.size() && text[at] != c; ++at) {
        const bool escape =
            c == '"' && text[at] == '\\' && at + 1 < text.size() && (text[at + 1] == '"' || text[at + 1] == '\\');
        if (escape) ++at;
        word += text[at];
      }
      if (at == text.size()) return std::nullopt;
    } else {
      word += c;
    }
  }
  if (inside) words.push_back(std::move(word));
  return words;
}

}  // namespace prefork
