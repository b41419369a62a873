#include "worker/exchange.hpp"

namespace prefork::worker {

// Whatever the application did, the master hears an end exactly once.
Exchange::~Exchange() {
  if (!ended_) abort();
}

Exchange::Read Exchange::read_body(std::span<const std::byte>& piece) {
  if (!inline_body_.empty()) {
    piece = inline_body_;
    inline_body_ = {};
    return Read::Data;
  }
  auto result = Read::Aborted;
  const auto step = [&] {
    Stream* const stream = crew_.inbox().stream(job_.slot, job_.generation);
    if (stream == nullptr) return true;
    if (!stream->body.empty()) {
      current_.swap(stream->body.front());
      stream->body.pop_front();
      granted_ -= std::min<std::uint64_t>(granted_, current_.size());
      result = Read::Data;
      return true;
    }
    if (stream->body_ended && !stream->body_aborted) {
      result = Read::End;
      return true;
    }
    // Behind the end of its reply a request is over for the master too: it sends no more, and asking would name what is not in flight.
    body_broken_ = stream->body_aborted || stream->cancelled || ended_;
    if (body_broken_) return true;
    // Half a window at a time: the master never idles for want of credit, and few Credit records cross.
    if (granted_ <= body_window_ / 2) {
      if (!crew_.outbox().try_credit(id(), body_window_ - granted_)) return false;
      granted_ = body_window_;
      crew_.outbox().ring();
    }
    return false;
  };
  if (crew_.until(hooks_, Crew::For::Stream, step) != Waited::Ready) return Read::Aborted;
  if (result == Read::Data) piece = current_;
  return result;
}

template <class Step>
Sent Exchange::push(Step&& step) {
  bool gone = false;
  const auto guarded = [&] {
    const Stream* const stream = crew_.inbox().stream(job_.slot, job_.generation);
    if (stream == nullptr || stream->cancelled) {
      gone = true;
      return true;
    }
    return step();
  };
  if (crew_.until(hooks_, Crew::For::Stream, guarded) != Waited::Ready) return Sent::Gone;
  return gone ? Sent::Gone : Sent::Ok;
}

Sent Exchange::send_head(const Reply& reply, std::span<const std::byte> body, bool end) {
  PREFORK_CHECK(!head_sent_, "a reply has one head");
  const auto step = [&] {
    Stream& stream = *crew_.inbox().stream(job_.slot, job_.generation);  // push() has looked
    std::size_t taken = 0;
    if (!crew_.outbox().try_head(id(), reply, body, end, stream.send_credit, taken)) return false;
    head_sent_ = true;
    stream.send_credit -= taken;
    ended_ = end && taken == body.size();
    body = body.subspan(taken);
    if (ended_) {
      crew_.outbox().ring_after_end(crew_.inbox().heads());
    } else {
      crew_.outbox().ring();
    }
    return true;
  };
  const auto sent = push(step);
  if (sent == Sent::Gone || ended_ || (body.empty() && !end)) return sent;
  return send_body(body, end);
}

Sent Exchange::send_interim(const Reply& reply) {
  return push([&] {
    if (!crew_.outbox().try_interim(id(), reply)) return false;
    crew_.outbox().ring();
    return true;
  });
}

Sent Exchange::send_body(std::span<const std::byte> body, bool end) {
  if (body.empty() && !end) return Sent::Ok;
  const auto step = [&] {
    Stream& stream = *crew_.inbox().stream(job_.slot, job_.generation);
    for (;;) {
      std::size_t taken = 0;
      if (!crew_.outbox().try_body(id(), body, end, stream.send_credit, taken)) return false;
      if (taken == 0 && !body.empty()) return false;  // waits for credit
      stream.send_credit -= taken;
      body = body.subspan(taken);
      ended_ = end && body.empty();
      if (body.empty()) break;
      crew_.outbox().ring();
    }
    if (ended_) {
      crew_.outbox().ring_after_end(crew_.inbox().heads());
    } else {
      crew_.outbox().ring();
    }
    return true;
  };
  return push(step);
}

template <class Put>
std::optional<Sent> Exchange::send_descriptor(int fd, Put&& put) {
  bool crossed = true;
  const auto sent = push([&] {
    if (!crew_.outbox().has_room_for_descriptor(id())) return false;
    std::uint32_t serial = 0;
    crossed = context_.send_fd(fd, serial);
    if (!crossed) return true;
    PREFORK_CHECK(put(serial), "room that was seen stays");
    crew_.outbox().ring();
    return true;
  });
  if (!crossed) return std::nullopt;
  return sent;
}

std::optional<Sent> Exchange::send_file(int fd, std::uint64_t offset, std::uint64_t length, bool end) {
  return send_descriptor(fd, [&](std::uint32_t serial) {
    ended_ = end;
    return crew_.outbox().try_file(id(), {offset, length, serial, 0}, end);
  });
}

std::optional<Sent> Exchange::send_socket(int fd) {
  return send_descriptor(fd, [&](std::uint32_t serial) { return crew_.outbox().try_socket(id(), {serial, 0}); });
}

void Exchange::abort() {
  if (ended_) return;
  const auto step = [&] {
    if (!crew_.outbox().try_abort(id())) return false;
    crew_.outbox().ring();
    return true;
  };
  // A signal handler that raises does not keep the master from hearing of the end.
  while (crew_.until(hooks_, Crew::For::Stream, step) == Waited::Interrupted) {
  }
  ended_ = true;
}

bool Exchange::client_gone() {
  bool gone = false;
  const auto look = [&] {
    const Stream* const stream = crew_.inbox().stream(job_.slot, job_.generation);
    gone = stream == nullptr || stream->cancelled;
    return true;
  };
  (void)crew_.until(hooks_, Crew::For::Stream, look);
  return gone;
}

}  // namespace prefork::worker
