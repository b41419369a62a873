#include "tests/support/fake_master.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstring>

#include "shm/packet.hpp"
#include "worker/clock.hpp"

namespace prefork::test {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }

std::string decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      out += static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

int memory_file(std::string_view name, std::string_view text) {
  const int fd = ::memfd_create(std::string(name).c_str(), 0);
  PREFORK_CHECK(fd >= 0 && ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()), "a memory file");
  return fd;
}

}  // namespace

std::string Answer::field(std::string_view name) const {
  for (const auto& [field, value] : fields) {
    if (std::equal(field.begin(), field.end(), name.begin(), name.end(),
                   [](char a, char b) { return lower(a) == lower(b); }))
      return value;
  }
  return {};
}

wire::RequestBuilder build(const Ask& ask) {
  wire::RequestBuilder request;
  auto& head = request.head;
  head.method = static_cast<std::uint8_t>(wire::find_method(ask.method));
  head.http_version = ask.http_version;
  head.arrived_ns = worker::precise_ns();
  head.method_name = request.add_text(ask.method);
  head.target = request.add_text(ask.target);
  const auto question = ask.target.find('?');
  head.raw_path = {head.target.offset, static_cast<std::uint32_t>(std::min(question, ask.target.size()))};
  head.path = request.add_text(decoded(ask.target.substr(0, question)));
  head.query = request.add_text(question == std::string::npos ? "" : ask.target.substr(question + 1));
  head.client = request.add_text("192.0.2.7");
  head.client_port = 4711;
  head.server = request.add_text("127.0.0.1");
  head.server_port = 8000;
  head.request_id = request.add_text(ask.request_id);
  head.script_name = request.add_text(ask.script_name);
  for (const auto& [name, value] : ask.fields) {
    wire::Field field;
    field.name_id = static_cast<std::uint16_t>(wire::find_name(name));
    if (field.name_id == 0) {
      const auto where = request.add_text(name);
      field.name_offset = where.offset;
      field.name_length = static_cast<std::uint16_t>(where.length);
    }
    field.value = request.add_text(value);
    if (field.name_id == static_cast<std::uint16_t>(wire::Name::Host)) head.host = field.value;
    request.fields().push_back(field);
  }
  head.flags = ask.extra_flags;
  if (ask.body_follows) {
    head.flags |= wire::kHasBody | (ask.announced == wire::kUnknownLength ? wire::kChunkedBody : 0);
    head.content_length = ask.announced;
  } else {
    head.flags |= static_cast<std::uint8_t>(ask.body.empty() ? 0 : wire::kHasBody | wire::kBodyComplete);
    head.content_length = ask.body.size();
  }
  request.finish();
  if (!ask.body_follows && !ask.body.empty()) request.append_body(wire::as_bytes(ask.body));
  return request;
}

FakeMaster::FakeMaster(shm::Geometry geometry)
    : geometry_(geometry),
      region_(shm::Region::create(shm::Layout(geometry).total)),
      worker_bell_(shm::make_bell()),
      own_bell_(shm::make_bell()),
      answers_(geometry.slots),
      slots_(geometry.slots) {
  std::array<int, 2> ends{};
  PREFORK_CHECK(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) == 0, "a side socket");
  side_.reset(ends[0]);
  worker_side_.reset(ends[1]);
  end_ = std::make_unique<shm::MasterEnd>(shm::Parts(region_.bytes(), geometry_), own_bell_.wait.get(),
                                          worker_bell_.signal_fd());
  for (std::uint32_t slot = 0; slot < geometry.slots; ++slot) free_.push_back(slot);
}

FakeMaster::~FakeMaster() {
  if (pid_ > 0 && !status_) {
    ::kill(pid_, SIGKILL);
    (void)reap(true);
  }
  if (!log_path_.empty()) ::unlink(log_path_.c_str());
}

bool FakeMaster::start(const std::string& executable, wire::Settings settings) {
  settings.set("master_pid", std::to_string(::getpid()));
  log_path_ = "/tmp/prefork-fake-master-" + std::to_string(::getpid()) + "-" + std::to_string(region_.fd()) + ".log";
  const shm::UniqueFd log(::open(log_path_.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600));
  const shm::UniqueFd settings_fd(memory_file("settings", settings.encode()));
  worker::Attachment attachment;
  attachment.geometry = geometry_;
  attachment.region_fd = region_.fd();
  attachment.own_bell_fd = worker_bell_.wait.get();
  attachment.master_bell_fd = own_bell_.signal_fd();
  attachment.side_fd = worker_side_.get();
  attachment.settings_fd = settings_fd.get();
  attachment.worker_id = 1;
  const std::string text = attachment.to_text();
  pid_ = ::fork();
  if (pid_ == 0) {
    for (const int fd : {attachment.region_fd, attachment.own_bell_fd, attachment.master_bell_fd, attachment.side_fd,
                         attachment.settings_fd}) {
      ::fcntl(fd, F_SETFD, 0);
    }
    ::dup2(log.get(), STDERR_FILENO);
    ::execl(executable.c_str(), executable.c_str(), text.c_str(), nullptr);
    ::_exit(127);
  }
  return until([&] { return ready_.has_value() || reap(false); }, std::chrono::seconds(60)) && ready_.has_value();
}

std::unique_ptr<worker::Context> FakeMaster::attach(wire::Settings settings) {
  worker::Attachment attachment;
  attachment.geometry = geometry_;
  attachment.region_fd = ::dup(region_.fd());
  attachment.own_bell_fd = ::dup(worker_bell_.wait.get());
  attachment.master_bell_fd = ::dup(own_bell_.signal_fd());
  attachment.side_fd = ::dup(worker_side_.get());
  return std::make_unique<worker::Context>(attachment, std::move(settings));
}

void FakeMaster::put(wire::Kind kind, std::uint16_t flags, std::uint32_t slot, std::span<const std::byte> payload) {
  std::span<std::byte> space;
  const bool room = until([&] {
    space = end_->requests.try_claim(static_cast<std::uint32_t>(payload.size()));
    return space.data() != nullptr || reap(false);
  });
  if (!room || space.data() == nullptr) return;
  if (!payload.empty()) std::memcpy(space.data(), payload.data(), payload.size());
  end_->requests.commit({static_cast<std::uint16_t>(kind), flags, slot, slots_[slot].generation},
                        static_cast<std::uint32_t>(payload.size()));
  end_->requests.publish();
  end_->worker_bell.ring();
}

std::uint32_t FakeMaster::send(const Ask& ask) { return send(build(ask)); }

std::uint32_t FakeMaster::send(const wire::RequestBuilder& request) {
  PREFORK_CHECK(!free_.empty(), "a free slot");
  const auto slot = free_.front();
  free_.pop_front();
  slots_[slot].generation += 1;
  slots_[slot].busy = true;
  answers_[slot] = {};
  end_->claims.offer(slot, slots_[slot].generation);
  auto payload = request.payload();
  while (payload.size() > end_->requests.max_payload()) {
    put(wire::Kind::Head, wire::kMore, slot, payload.first(end_->requests.max_payload()));
    payload = payload.subspan(end_->requests.max_payload());
  }
  put(wire::Kind::Head, 0, slot, payload);
  return slot;
}

void FakeMaster::body(std::uint32_t slot, std::string_view bytes, bool end, bool abort) {
  const std::size_t most = end_->requests.max_payload();
  while (bytes.size() > most) {
    put(wire::Kind::Body, 0, slot, wire::as_bytes(bytes.substr(0, most)));
    bytes.remove_prefix(most);
  }
  put(wire::Kind::Body, static_cast<std::uint16_t>((end ? wire::kEnd : 0) | (abort ? wire::kEnd | wire::kAbort : 0)),
      slot, wire::as_bytes(bytes));
}

void FakeMaster::credit(std::uint32_t slot, std::uint64_t bytes) {
  const wire::CreditRecord record{bytes};
  put(wire::Kind::Credit, 0, slot, {reinterpret_cast<const std::byte*>(&record), sizeof record});
}

void FakeMaster::cancel(std::uint32_t slot, wire::CancelReason reason) {
  const wire::CancelRecord record{reason, 0};
  put(wire::Kind::Cancel, 0, slot, {reinterpret_cast<const std::byte*>(&record), sizeof record});
}

void FakeMaster::drain() { put(wire::Kind::Drain, 0, 0, {}); }

bool FakeMaster::revoke(std::uint32_t slot) { return end_->claims.try_revoke(slot, slots_[slot].generation); }

void FakeMaster::pump() {
  shm::Record record;
  bool any = false;
  std::vector<std::pair<std::uint32_t, std::uint64_t>> owed;
  while (end_->replies.peek(record) == shm::Peek::Record) {
    any = true;
    const auto slot = record.tag.slot;
    const auto before = slot < answers_.size() ? answers_[slot].body.size() : 0;
    take(record);
    end_->replies.release();
    if (auto_credit && slot < answers_.size() && !answers_[slot].ended && answers_[slot].body.size() > before) {
      owed.emplace_back(slot, answers_[slot].body.size() - before);
    }
  }
  if (any && end_->replies.settle()) end_->worker_bell.ring();
  for (const auto& [slot, bytes] : owed) {
    if (slots_[slot].busy) credit(slot, bytes);
  }
}

void FakeMaster::take(const shm::Record& record) {
  const auto kind = static_cast<wire::Kind>(record.tag.kind);
  if (kind == wire::Kind::Ready) {
    wire::ReadyRecord ready;
    if (wire::read_record(record.payload, ready)) ready_ = ready;
    return;
  }
  if (record.tag.slot >= slots_.size() || slots_[record.tag.slot].generation != record.tag.generation ||
      !slots_[record.tag.slot].busy)
    return;
  Answer& answer = answers_[record.tag.slot];
  answer.records += 1;
  if (kind == wire::Kind::Head || kind == wire::Kind::Interim) {
    std::span<const std::byte> whole;
    if (heads_.take(record, whole) != shm::Reassembler::Take::Whole) return;
    wire::ReplyView view(whole);
    if (view.validate() != nullptr) return;
    if (kind == wire::Kind::Interim) {
      answer.interim.push_back(view.head().status);
      return;
    }
    answer.status = view.head().status;
    answer.flags = view.head().flags;
    answer.reason = view.reason();
    for (std::size_t i = 0; i < view.head().field_count; ++i) {
      if (wire::ReplyField field; view.field(i, field)) answer.fields.emplace_back(field.name, field.value);
    }
    answer.pieces.emplace_back(wire::as_text(view.body()));
    answer.body.append(answer.pieces.back());
  } else if (kind == wire::Kind::Body) {
    answer.pieces.emplace_back(wire::as_text(record.payload));
    answer.body.append(answer.pieces.back());
    answer.aborted |= (record.tag.flags & wire::kAbort) != 0;
  } else if (kind == wire::Kind::File) {
    take_file(answer, record);
  } else if (kind == wire::Kind::Credit) {
    if (wire::CreditRecord credit; wire::read_record(record.payload, credit)) answer.credit += credit.bytes;
    return;
  }
  if ((record.tag.flags & wire::kEnd) == 0) return;
  answer.ended = true;
  ended_ += 1;
  slots_[record.tag.slot].busy = false;
  free_.push_back(record.tag.slot);
}

void FakeMaster::take_file(Answer& answer, const shm::Record& record) {
  wire::FileRecord file;
  if (!wire::read_record(record.payload, file)) return;
  std::uint32_t serial = 0;
  std::size_t length = 0;
  std::vector<shm::UniqueFd> descriptors;
  const auto room = std::as_writable_bytes(std::span(&serial, 1));
  if (shm::receive_packet(side_.get(), room, length, descriptors, MSG_DONTWAIT) != shm::Received::Packet ||
      serial != file.serial || descriptors.size() != 1)
    return;
  std::string bytes(file.length, '\0');
  const ssize_t got = ::pread(descriptors.front().get(), bytes.data(), bytes.size(), static_cast<off_t>(file.offset));
  bytes.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  answer.pieces.push_back(bytes);
  answer.body.append(bytes);
}

void FakeMaster::sleep() {
  end_->own_bell.arm();
  if (end_->replies.anything_now()) return end_->own_bell.disarm();
  pollfd wait{own_bell_.wait.get(), POLLIN, 0};
  const int got = ::poll(&wait, 1, 20);  // a worker process that dies rings no bell
  end_->own_bell.disarm();
  if (got > 0) end_->own_bell.drain();
}

Answer FakeMaster::finish(std::uint32_t slot) {
  (void)until([&] { return answers_[slot].ended || reap(false); });
  return answers_[slot];
}

Answer FakeMaster::ask(const Ask& ask) { return finish(send(ask)); }

bool FakeMaster::reap(bool wait) {
  if (pid_ <= 0) return false;
  if (status_) return true;
  int status = 0;
  if (::waitpid(pid_, &status, wait ? 0 : WNOHANG) != pid_) return false;
  status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return true;
}

int FakeMaster::wait_exit() {
  (void)until([&] { return reap(false); });
  return status_.value_or(-1);
}

std::string FakeMaster::log() {
  const shm::UniqueFd fd(::open(log_path_.c_str(), O_RDONLY | O_CLOEXEC));
  std::string text;
  std::array<char, 4096> piece{};
  for (ssize_t got; (got = ::read(fd.get(), piece.data(), piece.size())) > 0;)
    text.append(piece.data(), static_cast<std::size_t>(got));
  return text;
}

}  // namespace prefork::test
