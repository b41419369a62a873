// What a worker must know of the configuration: pairs of name and text, handed over once at start-up through a descriptor.
// The text form is name=value, each ended by NUL, so that no value needs quoting.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace prefork::wire {

class Settings {
 public:
  void set(std::string name, std::string value) { pairs_[std::move(name)] = std::move(value); }
  std::string_view get(std::string_view name, std::string_view otherwise = {}) const;
  long number(std::string_view name, long otherwise = 0) const;
  double real(std::string_view name, double otherwise = 0) const;
  bool flag(std::string_view name) const { return get(name) == "1"; }
  bool has(std::string_view name) const { return pairs_.find(name) != pairs_.end(); }
  const std::map<std::string, std::string, std::less<>>& pairs() const { return pairs_; }

  std::string encode() const;
  static Settings decode(std::string_view text);

 private:
  std::map<std::string, std::string, std::less<>> pairs_;
};

}  // namespace prefork::wire
