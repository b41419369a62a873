// --reload: what the server does when the application's files change, and while no code can run.
#include <utility>

#include "master/serve/development_page.hpp"
#include "master/server_core.hpp"

namespace prefork {

// --reload: a change of the application's files is a reload. Requests wait for the new workers.
void Server::watch_files() {
  if (!config_.reload) return;
  process::WatchedFiles files{config_.reload_dirs, config_.reload_includes, config_.reload_excludes,
                              config_.reload_extra_files};
  if (files.folders.empty()) files.folders = config_.pythonpath;
  if (config_.reload_dirs.empty()) files.folders.push_back(config_.chdir.empty() ? "." : config_.chdir);
  const auto engine = config_.reload_engine == "poll"      ? process::WatchEngine::Poll
                      : config_.reload_engine == "inotify" ? process::WatchEngine::Inotify
                                                           : process::WatchEngine::Auto;
  files_ = std::make_unique<process::FileWatch>(
      loop_, std::move(files), engine,
      process::FileWatch::Events{[this](const std::string& path) {
                                   log_.info("Reloading: ", path, " has changed");
                                   reload();
                                 },
                                 [this](std::size_t count, bool inotify) {
                                   log_.info("Watching ", count, count == 1 ? " file" : " files", " for changes (",
                                             inotify ? "inotify" : "poll", ")");
                                 }});
}

// --reload, and the first import has failed.
void Server::await_mending() {
  log_.error("Requests get an error page until a change of the files mends that");
  refuse(supervisor_.failure());
}

void Server::refuse(std::string traceback) {
  site_.failure_page = [traceback = std::move(traceback)](const http::Exchange& exchange) {
    serve::Failure failure;
    failure.traceback = traceback;
    failure.method = exchange.request.text(exchange.request.head.method_name);
    failure.uri = exchange.request.text(exchange.request.head.target);
    failure.request_id = exchange.request.text(exchange.request.head.request_id);
    return serve::development_page(failure);
  };
  dispatcher_.set_gate(dispatch::Dispatcher::Gate::Refusing);
}

void Server::serve_again() {
  dispatcher_.set_gate(dispatch::Dispatcher::Gate::Open);
  site_.failure_page = nullptr;
}

}  // namespace prefork
