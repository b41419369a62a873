#include "master/serve/access_json.hpp"

#include <charconv>

#include "master/http/characters.hpp"
#include "master/serve/json_text.hpp"

namespace prefork::serve {
namespace {

bool same_field(const http::FieldRef& field, const FieldName& name) {
  if (field.id != wire::Name::Unknown && name.id != wire::Name::Unknown) return field.id == name.id;
  return http::same_name(field.name, name.text);
}

// Keys come with their comma and colon, as literals.
class Object {
 public:
  explicit Object(std::string& out) : out_(out) {}

  void text(std::string_view key, std::string_view value) {
    if (value.empty()) return;
    out_ += key;
    append_json_string(out_, value);
  }
  void number(std::string_view key, std::uint64_t value) {
    out_ += key;
    digits(value);
  }
  void seconds(std::string_view key, std::uint64_t micros) {
    out_ += key;
    digits(micros / 1'000'000);
    const std::size_t point = out_.size();
    digits(1'000'000 + micros % 1'000'000);
    out_[point] = '.';
  }
  void list(std::string_view key, const http::FieldList& fields, const FieldName& name) {
    bool any = false;
    for (std::size_t i = 0; i < fields.size(); ++i) {
      const http::FieldRef field = fields[i];
      if (!same_field(field, name)) continue;
      out_ += any ? std::string_view{","} : key;
      if (!any) out_ += '[';
      append_json_string(out_, field.value);
      any = true;
    }
    if (any) out_ += ']';
  }

 private:
  void digits(std::uint64_t value) {
    char text[24];
    out_.append(text, std::to_chars(text, text + sizeof text, value).ptr);
  }
  std::string& out_;
};

std::string key(std::string_view start, const FieldName& name) {
  std::string out = ",";
  append_json_string(out, std::string(start) + name.text);
  return out + ":";
}

std::string_view last_of(const http::FieldList& fields, wire::Name id, std::string_view text) {
  std::string_view last;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const http::FieldRef field = fields[i];
    if (field.id == id || (field.id == wire::Name::Unknown && http::same_name(field.name, text))) last = field.value;
  }
  return last;
}

void write_request(const AccessEntry& entry, Object& object) {
  object.text(R"(,"http.request.method":)", entry.method);
  object.text(R"(,"url.scheme":)", entry.scheme);
  object.text(R"(,"url.path":)", entry.raw_uri.substr(0, entry.raw_uri.find('?')));
  object.text(R"(,"url.query":)", entry.query);
  const auto slash = entry.protocol.find('/');
  if (slash != std::string_view::npos) {
    object.text(R"(,"network.protocol.name":)",
                entry.protocol.starts_with("HTTP/") ? "http" : entry.protocol.substr(0, slash));
    object.text(R"(,"network.protocol.version":)", entry.protocol.substr(slash + 1));
  }
}

void write_reply(const AccessEntry& entry, Object& object) {
  object.number(R"(,"http.response.status_code":)", entry.status);
  object.number(R"(,"http.response.body.size":)", entry.body_bytes);
  object.seconds(R"(,"http.server.request.duration":)", entry.total_us);
}

void write_peers(const AccessEntry& entry, Object& object) {
  object.text(R"(,"network.peer.address":)", entry.remote_address);
  if (!entry.remote_address.empty() && entry.remote_port != 0)
    object.number(R"(,"network.peer.port":)", entry.remote_port);
  object.text(R"(,"client.address":)", entry.client.empty() ? entry.remote_address : entry.client);
  object.text(R"(,"server.address":)", entry.server_name);
  if (entry.server_port != 0) object.number(R"(,"server.port":)", entry.server_port);
}

void write_worker(const AccessEntry& entry, Object& object) {
  object.text(R"(,"prefork.request_id":)", entry.request_id);
  if (entry.worker_pid == 0) return;
  object.number(R"(,"process.pid":)", entry.worker_pid);
  object.number(R"(,"prefork.worker.id":)", entry.worker_id);
  object.number(R"(,"prefork.worker.generation":)", entry.worker_generation);
  object.seconds(R"(,"prefork.queue.duration":)", entry.queue_us);
  object.seconds(R"(,"prefork.service.duration":)", entry.service_us);
}

}  // namespace

AccessJson::AccessJson(const AccessFormat& format) {
  for (const FieldName& name : format.request_names()) {
    // These have names of their own; credentials are never written out.
    if (name.text == "user-agent" || name.text == "authorization") continue;
    request_.push_back({name, key("http.request.header.", name)});
  }
  for (const FieldName& name : format.reply_names()) reply_.push_back({name, key("http.response.header.", name)});
  for (const FieldName& name : format.environ_names()) environ_.push_back({name, key("prefork.environ.", name)});
}

void AccessJson::write(const AccessEntry& entry, const AccessClock& clock, std::string& out) const {
  out += R"({"timestamp":")";
  out += clock.utc();
  const std::size_t point = out.size();
  char text[24];
  out.append(text, std::to_chars(text, text + sizeof text, 1'000'000 + clock.micros()).ptr);
  out[point] = '.';
  out += "Z\"";

  Object object(out);
  write_request(entry, object);
  write_reply(entry, object);
  write_peers(entry, object);
  object.text(R"(,"user_agent.original":)", last_of(entry.request_fields, wire::Name::UserAgent, "user-agent"));
  const std::string_view credentials = last_of(entry.request_fields, wire::Name::Authorization, "authorization");
  if (!credentials.empty()) object.text(R"(,"user.name":)", basic_auth_user(credentials));
  for (const Extra& extra : request_) object.list(extra.key, entry.request_fields, extra.name);
  for (const Extra& extra : reply_) object.list(extra.key, entry.reply_fields, extra.name);
  for (const Extra& extra : environ_)
    object.text(extra.key, last_of(entry.environ_fields, wire::Name::kCount, extra.name.text));
  write_worker(entry, object);
  out += '}';
}

}  // namespace prefork::serve
