#include "python/bridge/asgi/websocket.hpp"

#include "python/bridge/asgi/loop.hpp"
#include "python/bridge/asgi/message.hpp"
#include "python/bridge/bytes.hpp"
#include "python/bridge/error.hpp"
#include "python/bridge/log.hpp"
#include "python/bridge/names.hpp"
#include "python/bridge/signals.hpp"

namespace prefork::bridge::asgi {
namespace {

constexpr std::string_view kDenial = "websocket.http.response.";
constexpr std::uint16_t kNormal = 1000;
constexpr std::uint16_t kGoingAway = 1001;
constexpr std::uint16_t kLost = 1006;
constexpr std::uint16_t kInternalError = 1011;
constexpr std::uint64_t kCreditAt = 256 * 1024;
constexpr std::size_t kLongestReason = 123;  // RFC 6455 5.5: a control frame has 125 bytes, two of them the code

PyRef event_of(PyObject* type) {
  static PyObject* const kType = interned("type");
  PyRef event = PyRef::steal(PyDict_New());
  return event && PyDict_SetItem(event.get(), kType, type) == 0 ? std::move(event) : PyRef{};
}

PyRef message_event(const worker::WsMessage& message) {
  static PyObject* const kText = interned("text");
  static PyObject* const kBytes = interned("bytes");
  static PyObject* const kReceiveEvent = interned("websocket.receive");
  PyRef event = event_of(kReceiveEvent);
  const auto bytes = wire::as_text(message.bytes);
  // The master has checked that text is UTF-8.
  const PyRef value =
      message.text ? PyRef::steal(PyUnicode_DecodeUTF8(bytes.data(), static_cast<Py_ssize_t>(bytes.size()), "replace"))
                   : new_bytes(bytes);
  return event && value && PyDict_SetItem(event.get(), message.text ? kText : kBytes, value.get()) == 0
             ? std::move(event)
             : PyRef{};
}

}  // namespace

// ---------------------------------------------------------------------------------------------------- receive()

Step WebSocket::disconnected(PyRef& event) {
  static PyObject* const kCode = interned("code");
  static PyObject* const kReason = interned("reason");
  static PyObject* const kDisconnectEvent = interned("websocket.disconnect");
  event = event_of(kDisconnectEvent);
  const PyRef code = PyRef::steal(PyLong_FromLong(lost_code_));
  const PyRef reason =
      PyRef::steal(PyUnicode_DecodeUTF8(lost_reason_.data(), static_cast<Py_ssize_t>(lost_reason_.size()), "replace"));
  if (!event || !code || !reason || PyDict_SetItem(event.get(), kCode, code.get()) != 0 ||
      PyDict_SetItem(event.get(), kReason, reason.get()) != 0) {
    return Step::Error;
  }
  return Step::Done;
}

Step WebSocket::try_receive(unsigned, PyRef& event) {
  if (!connect_given_) {
    connect_given_ = true;
    static PyObject* const kConnectEvent = interned("websocket.connect");
    event = event_of(kConnectEvent);
    return event ? Step::Done : Step::Error;
  }
  if (!ended_ && !stream().messages.empty()) take_arrived();
  if (!messages_.empty()) {
    event = message_event(messages_.front());
    consumed_ += wire::message_charge(messages_.front().bytes.size(), loop_.most_messages());
    messages_.pop_front();
    give_credit();
    return event ? Step::Done : Step::Error;
  }
  if (ended_ || gone_ || state_ == State::Closed) return disconnected(event);
  return Step::Wait;
}

void WebSocket::take_arrived() {
  auto& arrived = stream().messages;
  if (messages_.empty()) {
    messages_.swap(arrived);
    return;
  }
  for (auto& message : arrived) messages_.push_back(std::move(message));
  arrived.clear();
}

// Tells the master how much the application has taken, so that it reads on; now and then, for it may be a whole window ahead.
void WebSocket::give_credit() {
  if (ended_ || gone_ || consumed_ < kCreditAt) return;
  if (!loop_.outbox().try_credit(id(), consumed_)) return (void)starved();
  consumed_ = 0;
  loop_.ring();
}

void WebSocket::on_news() {
  take_arrived();
  auto& news = stream();
  if (news.ws_closed && !close_heard_) {
    close_heard_ = true;
    lost_code_ = news.ws_code;
    lost_reason_ = news.ws_reason;
    data_left_ = {};
    data_due_ = accept_due_ = false;
    // The closing handshake is between the master and the client: this only ends the stream.
    begin_close(lost_code_ == kLost ? kNormal : lost_code_, {});
  }
}

void WebSocket::on_gone() {
  data_left_ = {};
  data_due_ = accept_due_ = close_due_ = false;
  denial_.drop();
}

// ---------------------------------------------------------------------------------------------------- send()

bool WebSocket::pending() const { return accept_due_ || data_due_ || close_due_ || denial_.pending(); }

Step WebSocket::take_message(PyObject* message) {
  const auto type = message_type(message);
  if (!type) return Step::Error;
  if (gone_ || close_heard_) return refuse_gone(), Step::Error;
  if (ended_ || state_ == State::Closed) return unexpected_message(*type, "the WebSocket is closed"), Step::Error;
  if (breaking_ || pending()) return Step::Wait;  // another task's message is still on its way
  if (state_ == State::Open) return take_open(*type, message);
  return take_connecting(*type, message);
}

Step WebSocket::take_connecting(std::string_view type, PyObject* message) {
  if (type.substr(0, kDenial.size()) == kDenial) return deny(type.substr(kDenial.size()), message);
  if (state_ == State::Denying)
    return unexpected_message(type, "the WebSocket is being denied by a response"), Step::Error;
  if (type == "websocket.accept") return accept(message) ? Step::Done : Step::Error;
  if (type == "websocket.close") {
    state_ = State::Closed;
    denial_.replace_by(403);
    return Step::Done;
  }
  return unexpected_message(type, "websocket.accept, websocket.close or websocket.http.response.start must come first"),
         Step::Error;
}

Step WebSocket::take_open(std::string_view type, PyObject* message) {
  if (type == "websocket.send") return take_data(message) ? Step::Done : Step::Error;
  if (type == "websocket.close") return take_close(message) ? Step::Done : Step::Error;
  return unexpected_message(type, "websocket.send or websocket.close can come now"), Step::Error;
}

bool WebSocket::accept(PyObject* message) {
  static PyObject* const kSubprotocol = interned("subprotocol");
  static PyObject* const kHeaders = interned("headers");
  PyObject* const subprotocol = message_get(message, kSubprotocol);
  PyObject* const headers = PyErr_Occurred() == nullptr ? message_get(message, kHeaders) : nullptr;
  if (PyErr_Occurred() != nullptr) return false;
  if (headers != nullptr && !fields_.take(headers)) return fields_.clear(), false;
  for (const auto& field : fields_.fields()) {
    if (field.id != wire::Name::SecWebSocketProtocol) continue;
    fields_.clear();
    PyErr_SetString(PyExc_ValueError, "websocket.accept: the subprotocol is a key of the message, not a header");
    return false;
  }
  if (subprotocol != nullptr) {
    const PyRef name = PyUnicode_Check(subprotocol) ? PyRef::steal(PyUnicode_AsLatin1String(subprotocol)) : PyRef{};
    if (!name) {
      if (PyErr_Occurred() == nullptr)
        PyErr_SetString(PyExc_TypeError, "websocket.accept: the subprotocol must be a str or None");
      return fields_.clear(), false;
    }
    if (!fields_.take_value("Sec-WebSocket-Protocol", wire::Name::SecWebSocketProtocol, name.get()))
      return fields_.clear(), false;
  }
  accept_due_ = true;
  state_ = State::Open;
  return true;
}

Step WebSocket::deny(std::string_view kind, PyObject* message) {
  bool taken = false;
  if (kind == "start") {
    taken = denial_.start(message);
    if (taken) state_ = State::Denying;
  } else if (kind == "body") {
    taken = denial_.body(message);
  } else {
    taken = unexpected_message(std::string(kDenial).append(kind), "a denial has no such message");
  }
  return taken ? Step::Done : Step::Error;
}

bool WebSocket::take_data(PyObject* message) {
  static PyObject* const kText = interned("text");
  static PyObject* const kBytes = interned("bytes");
  PyObject* const text = message_get(message, kText);
  PyObject* const bytes = PyErr_Occurred() == nullptr ? message_get(message, kBytes) : nullptr;
  if (PyErr_Occurred() != nullptr) return false;
  if ((text == nullptr) == (bytes == nullptr)) {
    PyErr_SetString(PyExc_ValueError, "websocket.send must have either text or bytes");
    return false;
  }
  if (text != nullptr ? !PyUnicode_Check(text) : !is_bytes_like(bytes)) {
    PyErr_Format(PyExc_TypeError, "websocket.send: %s, not %.100s",
                 text != nullptr ? "text must be a str" : "bytes must be bytes",
                 Py_TYPE(text != nullptr ? text : bytes)->tp_name);
    return false;
  }
  if (text != nullptr) {
    data_ = PyRef::steal(PyUnicode_AsUTF8String(text));
  } else {
    data_ = PyBytes_CheckExact(bytes) ? PyRef::borrow(bytes) : PyRef::steal(PyBytes_FromObject(bytes));
  }
  if (!data_) return false;
  data_left_ = bytes_of(data_.get());
  data_text_ = text != nullptr;
  data_due_ = true;
  return true;
}

bool WebSocket::take_close(PyObject* message) {
  static PyObject* const kCode = interned("code");
  static PyObject* const kReason = interned("reason");
  PyObject* const code = message_get(message, kCode);
  PyObject* const reason = PyErr_Occurred() == nullptr ? message_get(message, kReason) : nullptr;
  if (PyErr_Occurred() != nullptr) return false;
  long number = kNormal;
  if (code != nullptr) number = PyLong_AsLong(code);
  if (number == -1 && PyErr_Occurred() != nullptr) return false;
  if (number < 1000 || number > 4999) {
    PyErr_Format(PyExc_ValueError, "websocket.close: %ld is no close code", number);
    return false;
  }
  Py_ssize_t length = 0;
  const char* text = "";
  if (reason != nullptr && (text = PyUnicode_AsUTF8AndSize(reason, &length)) == nullptr) return false;
  std::string_view shown(text, static_cast<std::size_t>(length));
  if (shown.size() > kLongestReason) {
    std::size_t end = kLongestReason;
    while (end != 0 && (static_cast<unsigned char>(shown[end]) & 0xc0) == 0x80) --end;  // no character is cut
    shown = shown.substr(0, end);
  }
  begin_close(static_cast<std::uint16_t>(number), std::string(shown));
  return true;
}

void WebSocket::begin_close(std::uint16_t code, std::string reason) {
  close_due_ = true;
  close_code_ = code;
  close_reason_ = std::move(reason);
  if (!close_heard_) {
    lost_code_ = code;
    lost_reason_ = close_reason_;
  }
  state_ = State::Closed;
}

Step WebSocket::flush_data() {
  auto& credit = stream().send_credit;
  const auto repaid = std::min(owed_, credit);
  owed_ -= repaid;
  credit -= repaid;
  // A message that has begun goes whole, however little credit is left: the master cannot send a part of it. The rest is owed.
  if (credit == 0 && !data_begun_) return Step::Wait;
  do {
    std::size_t taken = 0;
    if (!loop_.outbox().try_message(id(), data_left_, data_text_, taken)) return starved();
    data_begun_ = true;
    const auto paid = std::min<std::uint64_t>(credit, taken);
    credit -= paid;
    owed_ += taken - paid;
    data_left_ = data_left_.subspan(taken);
    loop_.ring();
  } while (!data_left_.empty());
  data_begun_ = false;
  data_due_ = false;
  data_.reset();
  return Step::Done;
}

Step WebSocket::flush() {
  if (gone_) return refuse_gone(), Step::Error;
  if (ended_) return Step::Done;
  give_credit();
  if (denial_.pending()) {
    bool sent_end = false;
    switch (denial_.flush(loop_, id(), stream().send_credit, sent_end)) {
      case ResponseWriter::Flushed::NoRoom: return starved();
      case ResponseWriter::Flushed::NoCredit: return Step::Wait;
      case ResponseWriter::Flushed::NoDescriptor:
      case ResponseWriter::Flushed::All: break;
    }
    if (sent_end) {
      state_ = State::Closed;
      end();
    }
    return Step::Done;
  }
  if (accept_due_) {
    std::size_t taken = 0;
    if (!loop_.outbox().try_head(id(), {101, 0, {}, fields_.fields()}, {}, false, 0, taken)) return starved();
    accept_due_ = false;
    loop_.ring();
  }
  if (data_due_) {
    if (const Step step = flush_data(); step != Step::Done) return step;
  }
  if (close_due_) {
    if (!loop_.outbox().try_close(id(), close_code_, close_reason_)) return starved();
    close_due_ = false;
    end();
  }
  return Step::Done;
}

void WebSocket::conclude(bool failed) {
  if (state_ == State::Closed) return;
  if (state_ == State::Open) {
    data_due_ = data_due_ && !data_left_.empty();
    begin_close(quitting() ? kGoingAway : failed ? kInternalError : kNormal, {});
  } else if (state_ == State::Denying && denial_.head_out()) {
    denial_.drop();
    return break_off();
  } else if (!denial_.complete()) {
    if (!failed)
      log(Level::Error, std::string(interface_name()) +
                            " application returned without accepting or refusing the WebSocket: " + description());
    denial_.replace_by(failed || state_ == State::Denying ? 500 : unanswered_status());
    state_ = State::Closed;
  }
  if (flush() == Step::Error) PyErr_Clear();
}

}  // namespace prefork::bridge::asgi
