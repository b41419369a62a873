// The command line of prefork-load, checked.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace prefork::load {

enum class Mode {
  Http,           // keep-alive or pipelined requests, answers verified
  SlowHead,       // the head of a request in drips
  SlowUpload,     // the body in drips
  SlowRead,       // the answer taken in drips
  AbortUpload,    // gone in the middle of the body
  AbortDownload,  // gone in the middle of the answer
  WebSocket,      // masked messages that must come back
};

struct Options {
  Mode mode = Mode::Http;
  std::string mode_name = "http";
  std::string host = "127.0.0.1";
  std::string port = "8000";
  std::string unix_path;     // instead of host and port
  std::string target = "/";  // path of the URL: the mix when --mix is not given
  std::string mix;
  std::vector<std::string> headers;
  bool browser_headers = false;
  unsigned connections = 16;
  unsigned pipeline = 1;
  std::uint64_t count = 0;  // requests in all; 0: as many as the duration allows
  std::chrono::milliseconds duration{10'000};
  double rate = 0;  // requests a second over all connections; 0: as fast as answers come
  std::chrono::milliseconds timeout{10'000};
  unsigned requests_per_connection = 0;  // the client hangs up after so many; 0: never
  bool close_each = false;               // Connection: close on every request
  bool chunked_upload = false;
  int expect_status = 200;
  bool any_body = false;
  std::uint64_t slow_bytes = 1;
  std::chrono::milliseconds slow_interval{100};
  std::uint64_t abort_within = 65'536;  // a download is dropped after 0 to this many body bytes
  std::uint64_t message_bytes = 100;
  unsigned logged_failures = 0;
  std::uint64_t seed = 1;
  bool json = false;

  bool slow() const { return mode == Mode::SlowHead || mode == Mode::SlowUpload || mode == Mode::SlowRead; }
  bool aborting() const { return mode == Mode::AbortUpload || mode == Mode::AbortDownload; }
};

// Exits with 0 after --help and with 2, naming the flag, when the command line is wrong.
Options parse_options(int argc, char** argv);

}  // namespace prefork::load
