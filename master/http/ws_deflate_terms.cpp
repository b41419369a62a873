#include "master/http/ws_deflate_terms.hpp"

#include <algorithm>
#include <utility>

namespace prefork::http {
namespace {

// One parameter of an extension; without a value has_value is false.
struct Parameter {
  std::string_view name;
  std::string value;
  bool has_value = false;
};

// Reads extension = token *( ";" token [ "=" ( token / quoted-string ) ] ) out of a field value (RFC 6455, section 9.1).
class ExtensionReader {
 public:
  explicit ExtensionReader(std::string_view text) : text_(text) {}

  bool take(char wanted) {
    skip_space();
    if (text_.empty() || text_.front() != wanted) return false;
    text_.remove_prefix(1);
    return true;
  }

  bool at_end() {
    skip_space();
    return text_.empty();
  }

  // Empty when there is none.
  std::string_view token() {
    skip_space();
    constexpr std::string_view kSeparators = "()<>@,;:\\\"/[]?={} \t";
    std::size_t size = 0;
    while (size < text_.size() && text_[size] > ' ' && text_[size] < 0x7F &&
           kSeparators.find(text_[size]) == std::string_view::npos)
      ++size;
    const auto found = text_.substr(0, size);
    text_.remove_prefix(size);
    return found;
  }

  // What follows "=": false when it is neither a token nor a quoted token.
  bool value(std::string& out) {
    if (!take('"')) {
      out = token();
      return !out.empty();
    }
    out.clear();
    while (!text_.empty() && text_.front() != '"') {
      if (text_.front() == '\\') text_.remove_prefix(1);
      if (text_.empty()) return false;
      out.push_back(text_.front());
      text_.remove_prefix(1);
    }
    return take('"') && !out.empty();
  }

 private:
  void skip_space() {
    while (!text_.empty() && (text_.front() == ' ' || text_.front() == '\t')) text_.remove_prefix(1);
  }

  std::string_view text_;
};

// 8 to 15, in decimal without a leading zero; 0 for anything else.
int window_bits(const Parameter& parameter) {
  const auto& value = parameter.value;
  if (value == "8" || value == "9") return value[0] - '0';
  if (value.size() == 2 && value[0] == '1' && value[1] >= '0' && value[1] <= '5') return 10 + (value[1] - '0');
  return 0;
}

// One offer on its way to become terms.
class Offer {
 public:
  // False when the parameter makes the whole offer unacceptable.
  bool add(const Parameter& parameter) {
    if (parameter.name == "server_no_context_takeover") return once(server_takeover_) && !parameter.has_value;
    if (parameter.name == "client_no_context_takeover") return once(client_takeover_) && !parameter.has_value;
    if (parameter.name == "server_max_window_bits") {
      return once(server_bits_given_) && (server_bits_ = window_bits(parameter)) != 0;
    }
    if (parameter.name != "client_max_window_bits" || !once(client_bits_given_)) return false;
    return !parameter.has_value || (client_bits_ = window_bits(parameter)) != 0;
  }

  WsDeflateTerms terms(const WsDeflateWishes& wishes) const {
    WsDeflateTerms terms;
    terms.server_window_bits = std::min(server_bits_, std::clamp(wishes.server_window_bits, 8, 15));
    terms.name_server_bits = server_bits_given_;
    if (client_bits_given_)
      terms.client_window_bits = std::min(client_bits_, std::clamp(wishes.client_window_bits, 8, 15));
    terms.name_client_bits = client_bits_given_ && terms.client_window_bits < 15;
    terms.server_no_context_takeover = server_takeover_ || wishes.server_no_context_takeover;
    terms.client_no_context_takeover = client_takeover_ || wishes.client_no_context_takeover;
    return terms;
  }

 private:
  static bool once(bool& seen) { return !std::exchange(seen, true); }

  bool server_takeover_ = false, client_takeover_ = false;
  bool server_bits_given_ = false, client_bits_given_ = false;
  int server_bits_ = 15, client_bits_ = 15;
};

}  // namespace

std::optional<WsDeflateTerms> agree_ws_deflate(std::span<const std::string_view> extension_lines,
                                               const WsDeflateWishes& wishes) {
  for (const auto line : extension_lines) {
    ExtensionReader reader(line);
    while (!reader.at_end()) {
      if (reader.take(',')) continue;
      const auto extension = reader.token();
      if (extension.empty()) break;  // nothing behind a syntax error can be understood
      bool acceptable = extension == "permessage-deflate", understood = true;
      Offer offer;
      while (understood && reader.take(';')) {
        Parameter parameter{reader.token(), {}, false};
        parameter.has_value = reader.take('=');
        understood = !parameter.name.empty() && (!parameter.has_value || reader.value(parameter.value));
        acceptable = acceptable && understood && offer.add(parameter);
      }
      if (!understood || !(reader.at_end() || reader.take(','))) break;
      if (acceptable) return offer.terms(wishes);
    }
  }
  return std::nullopt;
}

std::string ws_deflate_value(const WsDeflateTerms& terms) {
  std::string value = "permessage-deflate";
  if (terms.server_no_context_takeover) value += "; server_no_context_takeover";
  if (terms.client_no_context_takeover) value += "; client_no_context_takeover";
  if (terms.name_server_bits) value += "; server_max_window_bits=" + std::to_string(terms.server_window_bits);
  if (terms.name_client_bits) value += "; client_max_window_bits=" + std::to_string(terms.client_window_bits);
  return value;
}

}  // namespace prefork::http
