#include "master/serve/development_page.hpp"

#include "master/http/status.hpp"

namespace prefork::serve {
namespace {

constexpr std::string_view kStyle =
    "body{font-family:sans-serif;margin:2em;color:#222}h1{font-size:1.3em;color:#a00}"
    "pre{background:#f6f6f6;border:1px solid #ddd;padding:1em;overflow:auto;line-height:1.4}"
    "p{color:#666}@media(prefers-color-scheme:dark){body{background:#1b1b1b;color:#ddd}pre{background:#262626;border-"
    "color:#444}h1{color:#f77}}";

std::string_view last_line(std::string_view text) {
  while (text.ends_with('\n')) text.remove_suffix(1);
  const auto end = text.rfind('\n');
  return end == std::string_view::npos ? text : text.substr(end + 1);
}

// & < > " ' as entities.
void append_html(std::string& out, std::string_view text) {
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#x27;"; break;
      default: out += c;
    }
  }
}

}  // namespace

std::string development_page(const Failure& failure) {
  const std::string_view summary = failure.summary.empty() ? last_line(failure.traceback) : failure.summary;
  const std::string title = std::to_string(failure.status) + " " + std::string(http::reason_phrase(failure.status));
  std::string page = "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>";
  append_html(page, title);
  page += "</title>\n<style>";
  page += kStyle;
  page += "</style>\n</head>\n<body>\n<h1>";
  append_html(page, summary.empty() ? std::string_view{title} : summary);
  page += "</h1>\n<p>";
  append_html(page, failure.method);
  page += ' ';
  append_html(page, failure.uri);
  if (!failure.request_id.empty()) {
    page += " &middot; request ";
    append_html(page, failure.request_id);
  }
  page += "</p>\n<pre>";
  append_html(page, failure.traceback);
  page +=
      "</pre>\n<p>This page is shown because the server runs for development; clients of a production server get only "
      "\"";
  append_html(page, title);
  page += "\".</p>\n</body>\n</html>\n";
  return page;
}

}  // namespace prefork::serve
