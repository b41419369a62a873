#include "shm/wire/names.hpp"

#include <cstring>

namespace prefork::wire {
namespace {

// Length and three bytes tell nearly all known names apart; the compare settles the rest.
constexpr std::size_t kSlots = 512;
constexpr std::size_t hash(std::string_view name) {
  const std::size_t n = name.size();
  // Either case of a letter; what else it maps together the compare tells apart.
  const auto at = [&](std::size_t i) { return static_cast<std::size_t>(static_cast<unsigned char>(name[i])) | 0x20; };
  return (n * 131 + at(0) * 7 + at(n - 1) * 31 + at(n / 2) * 67 + at(n * 3 / 4) * 17) & (kSlots - 1);
}

constexpr auto kTable = [] {
  std::array<std::uint16_t, kSlots> table{};
  for (std::size_t id = 1; id < kNameTexts.size(); ++id) {
    std::size_t slot = hash(kNameTexts[id]);
    while (table[slot] != 0) slot = (slot + 1) & (kSlots - 1);
    table[slot] = static_cast<std::uint16_t>(id);
  }
  return table;
}();

template <class Word>
Word load(const char* bytes) {
  Word word;
  std::memcpy(&word, bytes, sizeof word);
  return word;
}

// Whether the two differ only in the case of letters. A known name is lower-case letters, digits and dashes: only its letters
// have bit 6, and bit 5 is what the case of a letter is.
template <class Word>
bool same_word(const char* any_case, const char* known) {
  constexpr Word kCase = static_cast<Word>(0x2020202020202020);
  const Word want = load<Word>(known);
  const Word difference = static_cast<Word>(load<Word>(any_case) ^ want);
  return (difference & static_cast<Word>(~(static_cast<Word>(want >> 1) & kCase))) == 0;
}

// Words from the front, then one that ends with the name, over bytes already seen.
template <class Word>
bool same_words(const char* any_case, const char* known, std::size_t length) {
  for (std::size_t i = 0; i + sizeof(Word) < length; i += sizeof(Word)) {
    if (!same_word<Word>(any_case + i, known + i)) return false;
  }
  const std::size_t last = length - sizeof(Word);
  return same_word<Word>(any_case + last, known + last);
}

bool same(std::string_view any_case, std::string_view known) {
  const std::size_t length = known.size();
  if (any_case.size() != length) return false;
  if (length >= 8) return same_words<std::uint64_t>(any_case.data(), known.data(), length);
  if (length >= 4) return same_words<std::uint32_t>(any_case.data(), known.data(), length);
  return same_words<std::uint8_t>(any_case.data(), known.data(), length);
}

}  // namespace

Name find_name(std::string_view name) {
  if (name.empty()) return Name::Unknown;
  for (std::size_t slot = hash(name); kTable[slot] != 0; slot = (slot + 1) & (kSlots - 1)) {
    if (same(name, kNameTexts[kTable[slot]])) return static_cast<Name>(kTable[slot]);
  }
  return Name::Unknown;
}

Method find_method(std::string_view name) {
  for (std::size_t id = 1; id < kMethodTexts.size(); ++id) {
    if (kMethodTexts[id] == name) return static_cast<Method>(id);
  }
  return Method::Unknown;
}

}  // namespace prefork::wire
