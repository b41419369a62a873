// What the server answers over its control socket.
#include <unistd.h>

#include <sstream>

#include "master/process/obituary.hpp"
#include "master/server_core.hpp"
#include "version.hpp"

namespace prefork {
namespace {

using State = dispatch::WorkerLink::State;

const char* word(State state) {
  switch (state) {
    case State::Starting: return "starting";
    case State::Ready: return "ready";
    case State::Retiring: return "retiring";
    case State::Dead: return "dead";
  }
  return "unknown";
}

const char* word(const process::Mold& mold) {
  if (mold.retired()) return "retiring";
  return mold.loaded() ? "ready" : "loading";
}

}  // namespace

void Server::open_control() {
  if (config_.control_socket_disable) return;
  control_.emplace(loop_, log_, [this](const std::string& command, const process::ControlSocket::Answer& answer) {
    on_control(command, answer);
  });
  control_->open(config_.control_socket, config_.control_socket_mode);
}

void Server::on_control(const std::string& command, const process::ControlSocket::Answer& answer) {
  if (command == "status" || command == "status wait") return answer(true, status_text());
  if (command == "status json" || command == "status wait json") return answer(true, status_json());
  const bool wait = command.ends_with(" wait");
  const std::string verb = command.substr(0, command.size() - (wait ? std::string_view(" wait").size() : 0));
  if (verb != "reload" && verb != "stop") return answer(false, "unknown command: " + command);
  log_.info("Told to ", std::string_view(command), " over the control socket");
  if (verb == "stop") {
    if (!wait) answer(true, "stopping");
    return stop_gracefully();
  }
  if (stage_ != Stage::Serving) return answer(false, "the server stops");
  if (wait) {
    read_waiters_.emplace_back([this, answer](const std::string& failure) {
      answer(failure.empty(),
             failure.empty() ? "generation " + std::to_string(supervisor_.generation()) + " serves" : failure);
    });
  } else {
    answer(true, "reloading");
  }
  reload();
}

std::string Server::status_text() {
  std::ostringstream text;
  text << "prefork " PREFORK_VERSION ", process " << ::getpid() << ", generation " << supervisor_.generation()
       << (supervisor_.reloading() ? ", reloading" : "") << (stage_ != Stage::Serving ? ", stopping" : "") << "\n"
       << site_.connections() << " connections, " << dispatcher_.queued() << " requests queued, "
       << dispatcher_.in_flight() << " with workers\n";
  for (const auto& worker : supervisor_.all()) {
    text << "worker " << worker->identity().id << " process " << worker->pid() << " generation "
         << worker->identity().generation << " " << word(worker->link().state()) << " "
         << (loop_.now_ms() - worker->started_ms()) / 1000 << " s, " << worker->link().finished() << " requests, "
         << worker->link().in_flight() << " in flight, " << (worker->notes.resident_bytes >> 20) << " MiB\n";
  }
  for (const auto* mold : supervisor_.molds()) {
    text << "mold process " << mold->pid() << " generation " << mold->generation() << " " << word(*mold) << " "
         << (loop_.now_ms() - mold->started_ms()) / 1000 << " s, " << (process::resident_bytes(mold->pid()) >> 20)
         << " MiB\n";
  }
  std::string all = text.str();
  all.pop_back();
  return all;
}

std::string Server::status_json() {
  std::ostringstream text;
  text << R"({"version":")" PREFORK_VERSION R"(","pid":)" << ::getpid() << R"(,"generation":)"
       << supervisor_.generation() << R"(,"reloading":)" << (supervisor_.reloading() ? "true" : "false")
       << R"(,"stopping":)" << (stage_ != Stage::Serving ? "true" : "false") << R"(,"connections":)"
       << site_.connections() << R"(,"queued":)" << dispatcher_.queued() << R"(,"in_flight":)"
       << dispatcher_.in_flight() << R"(,"workers":[)";
  const char* comma = "";
  for (const auto& worker : supervisor_.all()) {
    text << comma << R"({"id":)" << worker->identity().id << R"(,"pid":)" << worker->pid() << R"(,"generation":)"
         << worker->identity().generation << R"(,"state":")" << word(worker->link().state()) << R"(","age_s":)"
         << (loop_.now_ms() - worker->started_ms()) / 1000 << R"(,"requests":)" << worker->link().finished()
         << R"(,"in_flight":)" << worker->link().in_flight() << R"(,"rss":)" << worker->notes.resident_bytes << "}";
    comma = ",";
  }
  text << R"(],"molds":[)";
  comma = "";
  for (const auto* mold : supervisor_.molds()) {
    text << comma << R"({"pid":)" << mold->pid() << R"(,"generation":)" << mold->generation() << R"(,"state":")"
         << word(*mold) << R"(","age_s":)" << (loop_.now_ms() - mold->started_ms()) / 1000 << R"(,"rss":)"
         << process::resident_bytes(mold->pid()) << "}";
    comma = ",";
  }
  text << "]}";
  return text.str();
}

}  // namespace prefork
