// What is asked for, how often, and what must come back. One Mix for the whole run; entries live as long as it does.
#pragma once

#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "options.hpp"

namespace prefork::load {

struct MixEntry {
  enum class Rule {
    Letters,  // `length` bytes of letter_pattern() from its start
    Echo,     // the body that was sent
    Target,   // the request target
    Same,     // what the first answer was
    Any,
  };

  std::string method = "GET";
  std::string target;
  std::uint64_t body_bytes = 0;
  double weight = 1;
  Rule rule = Rule::Same;
  std::uint64_t length = 0;
  int status = 200;
  std::string head;                      // the whole request head, {n} still in it
  std::optional<std::size_t> number_at;  // where {n} stands in `head`
  std::optional<std::string> reference;  // Rule::Same: the first body

  std::string target_of(std::uint64_t number) const;
};

class Mix {
 public:
  explicit Mix(const Options& options);

  std::size_t pick();
  MixEntry& operator[](std::size_t index) { return entries_[index]; }
  const MixEntry& operator[](std::size_t index) const { return entries_[index]; }
  std::size_t size() const { return entries_.size(); }
  std::mt19937_64& random() { return random_; }

 private:
  void add(std::string_view item, const Options& options);

  std::vector<MixEntry> entries_;
  std::vector<double> cumulative_;
  std::mt19937_64 random_;
};

// The head of request `number` appended to `out`.
void append_head(const MixEntry& entry, std::uint64_t number, std::string& out);

// The body of request `number` starts at this place of the pattern.
inline std::uint64_t phase_of(std::uint64_t number) { return number * 31; }

// Compares one answer's body, piece by piece, with what must come back.
class BodyCheck {
 public:
  enum class Verdict { Right, WrongBytes, WrongLength };

  void begin(MixEntry& entry, std::uint64_t number);
  void feed(std::string_view piece);
  Verdict finish();
  std::uint64_t received() const { return received_; }

 private:
  MixEntry* entry_ = nullptr;
  std::uint64_t phase_ = 0;
  std::uint64_t received_ = 0;
  std::uint64_t expected_ = 0;
  bool equal_ = true;
  bool learning_ = false;
  std::string text_;  // the target to compare with, or the body that is being learned
};

}  // namespace prefork::load
