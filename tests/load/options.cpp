#include "options.hpp"

#include <getopt.h>

#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

namespace prefork::load {
namespace {

constexpr const char* kHelp = R"(usage: prefork-load [options] URL

URL is http://HOST:PORT/path or unix:/path/to/socket (with --mix for paths). Every answer is checked; exit status 1 when one failed.

What to send
  --mode MODE            http, slow-head, slow-upload, slow-read, abort-upload, abort-download, ws   (http)
  --mix LIST             '/:98,/sleep/0.05:2,POST /echo#65536:5': [METHOD ]TARGET[#BODY BYTES][:WEIGHT], comma between;
                         {n} in a target becomes the number of the request
  -H, --header LINE      one more header line (repeatable)
  --browser-headers      the eight headers that a browser sends
  --chunked              upload bodies with Transfer-Encoding: chunked
  --close                Connection: close on every request
  --message-bytes N      length of a WebSocket message   (100)

How
  -c, --connections N    (16)
  -p, --pipeline N       requests outstanding on one connection   (1)
  -n, --count N          stop after N requests
  -d, --duration SECONDS stop after so long   (10)
  -r, --rate N           requests a second in all, latency counted from the moment a request was due   (as fast as it goes)
  -t, --timeout SECONDS  an answer must be whole by then   (10)
  --requests-per-connection N   hang up and connect again after N
  --slow-bytes N         a drip   (1)
  --slow-interval MS     between drips   (100)
  --abort-within N       a download is dropped after 0 to N bytes of its body   (65536)
  --seed N               of the random choices   (1)

What must come back
  /len/N, /chunks/M/N    N (M times N) letters, byte i is 'a' + i % 26
  POST /echo…            the body that was sent
  /path/…                the request target as the body
  /status/N              that status, any body
  anything else          the same body as the first answer of that target (--any-body: whatever comes)
  --status N             the status that counts as right   (200)

  --log-failures N       describe the first N failures on stderr
  --json                 the report as JSON on stdout
)";

[[noreturn]] void wrong(const std::string& what) {
  std::fprintf(stderr, "prefork-load: %s (--help lists the options)\n", what.c_str());
  std::exit(2);
}

template <typename Number>
Number number(const char* flag, const char* text, Number least) {
  Number value{};
  const auto* end = text + std::strlen(text);
  const auto [stop, error] = std::from_chars(text, end, value);
  if (error != std::errc{} || stop != end || value < least)
    wrong(std::string("--") + flag + ": not a valid number: " + text);
  return value;
}

std::chrono::milliseconds seconds(const char* flag, const char* text) {
  const double value = number<double>(flag, text, 0.0);
  return std::chrono::milliseconds(std::llround(value * 1000));
}

Mode mode_of(std::string_view name) {
  constexpr std::pair<std::string_view, Mode> kModes[] = {
      {"http", Mode::Http},          {"slow-head", Mode::SlowHead},       {"slow-upload", Mode::SlowUpload},
      {"slow-read", Mode::SlowRead}, {"abort-upload", Mode::AbortUpload}, {"abort-download", Mode::AbortDownload},
      {"ws", Mode::WebSocket}};
  for (const auto& [known, mode] : kModes) {
    if (known == name) return mode;
  }
  wrong("--mode: not one of http, slow-head, slow-upload, slow-read, abort-upload, abort-download, ws: " +
        std::string(name));
}

void parse_url(std::string_view url, Options& options) {
  if (url.starts_with("unix:")) {
    options.unix_path = url.substr(5);
    if (options.unix_path.empty()) wrong("URL: unix: needs a path");
    return;
  }
  for (std::string_view scheme : {"http://", "ws://"}) {
    if (url.starts_with(scheme)) url.remove_prefix(scheme.size());
  }
  const auto slash = url.find('/');
  const auto authority = url.substr(0, slash);
  if (slash != std::string_view::npos) options.target = url.substr(slash);
  const auto colon = authority.rfind(':');
  const bool port_given = colon != std::string_view::npos && authority.find(']', colon) == std::string_view::npos;
  options.host = authority.substr(0, port_given ? colon : authority.size());
  options.port = port_given ? authority.substr(colon + 1) : "80";
  if (options.host.starts_with('[') && options.host.ends_with(']'))
    options.host = options.host.substr(1, options.host.size() - 2);
  if (options.host.empty()) wrong("URL: no host in it");
}

enum Long : int {
  kMode = 256,
  kMix,
  kBrowser,
  kChunked,
  kClose,
  kMessage,
  kPerConnection,
  kSlowBytes,
  kSlowInterval,
  kAbortWithin,
  kSeed,
  kAnyBody,
  kStatus,
  kLogFailures,
  kJson,
  kHelpFlag,
};

constexpr option kFlags[] = {
    {"mode", required_argument, nullptr, kMode},
    {"mix", required_argument, nullptr, kMix},
    {"header", required_argument, nullptr, 'H'},
    {"browser-headers", no_argument, nullptr, kBrowser},
    {"chunked", no_argument, nullptr, kChunked},
    {"close", no_argument, nullptr, kClose},
    {"message-bytes", required_argument, nullptr, kMessage},
    {"connections", required_argument, nullptr, 'c'},
    {"pipeline", required_argument, nullptr, 'p'},
    {"count", required_argument, nullptr, 'n'},
    {"duration", required_argument, nullptr, 'd'},
    {"rate", required_argument, nullptr, 'r'},
    {"timeout", required_argument, nullptr, 't'},
    {"requests-per-connection", required_argument, nullptr, kPerConnection},
    {"slow-bytes", required_argument, nullptr, kSlowBytes},
    {"slow-interval", required_argument, nullptr, kSlowInterval},
    {"abort-within", required_argument, nullptr, kAbortWithin},
    {"seed", required_argument, nullptr, kSeed},
    {"any-body", no_argument, nullptr, kAnyBody},
    {"status", required_argument, nullptr, kStatus},
    {"log-failures", required_argument, nullptr, kLogFailures},
    {"json", no_argument, nullptr, kJson},
    {"help", no_argument, nullptr, kHelpFlag},
    {nullptr, 0, nullptr, 0},
};

void apply(int flag, Options& options) {
  switch (flag) {
    case kMode:
      options.mode = mode_of(optarg);
      options.mode_name = optarg;
      break;
    case kMix: options.mix = optarg; break;
    case 'H': options.headers.emplace_back(optarg); break;
    case kBrowser: options.browser_headers = true; break;
    case kChunked: options.chunked_upload = true; break;
    case kClose: options.close_each = true; break;
    case kMessage: options.message_bytes = number<std::uint64_t>("message-bytes", optarg, 0); break;
    case 'c': options.connections = number<unsigned>("connections", optarg, 1); break;
    case 'p': options.pipeline = number<unsigned>("pipeline", optarg, 1); break;
    case 'n': options.count = number<std::uint64_t>("count", optarg, 1); break;
    case 'd': options.duration = seconds("duration", optarg); break;
    case 'r': options.rate = number<double>("rate", optarg, 0.0); break;
    case 't': options.timeout = seconds("timeout", optarg); break;
    case kPerConnection:
      options.requests_per_connection = number<unsigned>("requests-per-connection", optarg, 1);
      break;
    case kSlowBytes: options.slow_bytes = number<std::uint64_t>("slow-bytes", optarg, 1); break;
    case kSlowInterval:
      options.slow_interval = std::chrono::milliseconds(number<long>("slow-interval", optarg, 1));
      break;
    case kAbortWithin: options.abort_within = number<std::uint64_t>("abort-within", optarg, 0); break;
    case kSeed: options.seed = number<std::uint64_t>("seed", optarg, 0); break;
    case kAnyBody: options.any_body = true; break;
    case kStatus: options.expect_status = number<int>("status", optarg, 100); break;
    case kLogFailures: options.logged_failures = number<unsigned>("log-failures", optarg, 0); break;
    case kJson: options.json = true; break;
    case kHelpFlag: std::fputs(kHelp, stdout); std::exit(0);
    default: std::exit(2);  // getopt has said what was wrong
  }
}

}  // namespace

Options parse_options(int argc, char** argv) {
  Options options;
  bool duration_given = false;
  for (int flag; (flag = getopt_long(argc, argv, "H:c:p:n:d:r:t:", kFlags, nullptr)) != -1;) {
    apply(flag, options);
    duration_given |= flag == 'd';
  }
  if (argc - optind != 1) wrong("exactly one URL is wanted");
  parse_url(argv[optind], options);
  // A count without a duration still ends: a server that stops answering must not hold a test for ever.
  if (options.count > 0 && !duration_given) options.duration = std::chrono::minutes(5);
  if (options.pipeline > 1 && options.mode != Mode::Http) wrong("--pipeline: only with --mode http");
  return options;
}

}  // namespace prefork::load
