#include "master/logs.hpp"

#include <unistd.h>

namespace prefork {
namespace {

std::unique_ptr<serve::LogDevice> open_error_log(const Config& config) {
  return config.errorlog == "-" || config.errorlog.empty() ? serve::open_log_stream(STDERR_FILENO, "stderr") : serve::open_log_file(config.errorlog);
}

serve::ErrorLog::Options options_of(const Config& config) {
  serve::ErrorLog::Options options;
  options.level = serve::parse_level(config.loglevel).value_or(serve::Level::Info);
  options.json = config.error_log_json;
  options.colour = config.errorlog == "-" && serve::wants_colour(STDERR_FILENO);
  return options;
}

}  // namespace

Logs::Logs(const Config& config)
    : sink_(std::make_unique<serve::LogSink>(writer_, open_error_log(config), "error log")), error_(sink_.get(), nullptr, options_of(config)) {}

void Logs::reopen() { sink_->reopen(); }

}  // namespace prefork
