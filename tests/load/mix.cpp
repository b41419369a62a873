#include "mix.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>

#include "pattern.hpp"

namespace prefork::load {
namespace {

constexpr const char* kBrowserHeaders =
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
    "Accept-Language: en-US,en;q=0.5\r\n"
    "Accept-Encoding: gzip, deflate, br\r\n"
    "Cookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n"
    "Upgrade-Insecure-Requests: 1\r\n"
    "Cache-Control: max-age=0\r\n";  // with Host: eight

// A learned body is kept whole; larger ones are compared by their first part and their length.
constexpr std::size_t kMaxReference = 16 * 1024 * 1024;

[[noreturn]] void wrong_item(std::string_view item) {
  std::fprintf(stderr, "prefork-load: --mix: not [METHOD ]TARGET[#BYTES][:WEIGHT]: %.*s\n",
               static_cast<int>(item.size()), item.data());
  std::exit(2);
}

template <typename Number>
std::optional<Number> as_number(std::string_view text) {
  Number value{};
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || stop != text.data() + text.size()) return std::nullopt;
  return value;
}

// What /len/BYTES and /chunks/COUNT/BYTES announce; nothing for other targets.
std::optional<std::uint64_t> length_of(std::string_view target) {
  target = target.substr(0, target.find('?'));
  if (target.starts_with("/len/")) return as_number<std::uint64_t>(target.substr(5));
  if (!target.starts_with("/chunks/")) return std::nullopt;
  const auto slash = target.find('/', 8);
  if (slash == std::string_view::npos) return std::nullopt;
  const auto count = as_number<std::uint64_t>(target.substr(8, slash - 8));
  const auto bytes = as_number<std::uint64_t>(target.substr(slash + 1));
  if (!count || !bytes) return std::nullopt;
  return *count * *bytes;
}

void choose_rule(MixEntry& entry, const Options& options) {
  const std::string_view target = entry.target;
  entry.status = options.expect_status;
  if (target.starts_with("/status/")) {
    entry.status = as_number<int>(target.substr(8)).value_or(options.expect_status);
    entry.rule = MixEntry::Rule::Any;
  } else if (options.any_body) {
    entry.rule = MixEntry::Rule::Any;
  } else if (const auto length = length_of(target)) {
    entry.rule = MixEntry::Rule::Letters;
    entry.length = *length;
  } else if (target.starts_with("/echo") && (entry.body_bytes > 0 || entry.method == "POST")) {
    entry.rule = MixEntry::Rule::Echo;
    entry.length = entry.body_bytes;
  } else if (target.starts_with("/path/")) {
    entry.rule = MixEntry::Rule::Target;
  } else {
    entry.rule = MixEntry::Rule::Same;
  }
}

void build_head(MixEntry& entry, const Options& options) {
  const auto host = options.unix_path.empty() ? options.host + ":" + options.port : std::string("localhost");
  entry.head = entry.method + " " + entry.target + " HTTP/1.1\r\nHost: " + host + "\r\n";
  if (options.browser_headers) entry.head += kBrowserHeaders;
  for (const auto& line : options.headers) entry.head += line + "\r\n";
  if (options.close_each) entry.head += "Connection: close\r\n";
  if (entry.body_bytes > 0 && options.chunked_upload) {
    entry.head += "Transfer-Encoding: chunked\r\n";
  } else if (entry.body_bytes > 0 || entry.method == "POST" || entry.method == "PUT") {
    entry.head += "Content-Length: " + std::to_string(entry.body_bytes) + "\r\n";
  }
  entry.head += "\r\n";
  if (const auto at = entry.head.find("{n}"); at != std::string::npos) entry.number_at = at;
}

}  // namespace

std::string MixEntry::target_of(std::uint64_t number) const {
  auto text = target;
  if (const auto at = text.find("{n}"); at != std::string::npos) text.replace(at, 3, std::to_string(number));
  return text;
}

Mix::Mix(const Options& options) : random_(options.seed) {
  std::string_view list = options.mix.empty() ? std::string_view(options.target) : std::string_view(options.mix);
  while (true) {
    const auto comma = list.find(',');
    add(list.substr(0, comma), options);
    if (comma == std::string_view::npos) break;
    list.remove_prefix(comma + 1);
  }
}

void Mix::add(std::string_view item, const Options& options) {
  const auto whole = item;
  MixEntry entry;
  if (const auto space = item.find(' '); space != std::string_view::npos) {
    entry.method = item.substr(0, space);
    item.remove_prefix(space + 1);
  }
  if (const auto colon = item.rfind(':'); colon != std::string_view::npos) {
    const auto weight = as_number<double>(item.substr(colon + 1));
    if (!weight || *weight <= 0) wrong_item(whole);
    entry.weight = *weight;
    item = item.substr(0, colon);
  }
  if (const auto hash = item.rfind('#'); hash != std::string_view::npos) {
    const auto bytes = as_number<std::uint64_t>(item.substr(hash + 1));
    if (!bytes) wrong_item(whole);
    entry.body_bytes = *bytes;
    if (entry.method == "GET") entry.method = "POST";
    item = item.substr(0, hash);
  }
  if (!item.starts_with('/')) wrong_item(whole);
  entry.target = item;
  choose_rule(entry, options);
  build_head(entry, options);
  cumulative_.push_back((cumulative_.empty() ? 0 : cumulative_.back()) + entry.weight);
  entries_.push_back(std::move(entry));
}

std::size_t Mix::pick() {
  if (entries_.size() == 1) return 0;
  const double point = std::uniform_real_distribution<double>(0, cumulative_.back())(random_);
  const auto found = std::upper_bound(cumulative_.begin(), cumulative_.end(), point);
  return std::min<std::size_t>(static_cast<std::size_t>(found - cumulative_.begin()), entries_.size() - 1);
}

void append_head(const MixEntry& entry, std::uint64_t number, std::string& out) {
  if (!entry.number_at) {
    out += entry.head;
    return;
  }
  out.append(entry.head, 0, *entry.number_at);
  out += std::to_string(number);
  out.append(entry.head, *entry.number_at + 3);
}

void BodyCheck::begin(MixEntry& entry, std::uint64_t number) {
  entry_ = &entry;
  received_ = 0;
  equal_ = true;
  learning_ = false;
  expected_ = entry.length;
  phase_ = entry.rule == MixEntry::Rule::Echo ? phase_of(number) : 0;
  if (entry.rule == MixEntry::Rule::Target) {
    text_ = entry.target_of(number);
    expected_ = text_.size();
  } else if (entry.rule == MixEntry::Rule::Same) {
    learning_ = !entry.reference;
    text_.clear();
  }
}

void BodyCheck::feed(std::string_view piece) {
  using Rule = MixEntry::Rule;
  const auto at = received_;
  received_ += piece.size();
  if (entry_->rule == Rule::Any) return;
  if (entry_->rule == Rule::Letters || entry_->rule == Rule::Echo) {
    const auto& pattern = entry_->rule == Rule::Echo ? byte_pattern() : letter_pattern();
    equal_ = equal_ && pattern.matches(phase_ + at, piece);
  } else if (learning_) {
    text_.append(piece.substr(0, kMaxReference - std::min(kMaxReference, text_.size())));
  } else {
    const std::string_view known =
        entry_->rule == Rule::Target ? std::string_view(text_) : std::string_view(*entry_->reference);
    const auto there = known.substr(std::min<std::uint64_t>(at, known.size()), piece.size());
    equal_ = equal_ && there == piece.substr(0, there.size());
  }
}

BodyCheck::Verdict BodyCheck::finish() {
  using Rule = MixEntry::Rule;
  if (entry_->rule == Rule::Any) return Verdict::Right;
  if (entry_->rule == Rule::Same) {
    if (!entry_->reference) {
      entry_->reference = std::move(text_);
      entry_->length = received_;
      return Verdict::Right;
    }
    // Several answers may have been under way before the first was known.
    if (learning_) equal_ = text_ == *entry_->reference;
    expected_ = entry_->length;
  }
  if (received_ != expected_) return Verdict::WrongLength;
  return equal_ ? Verdict::Right : Verdict::WrongBytes;
}

}  // namespace prefork::load
