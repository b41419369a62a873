#include "shm/wire/names.hpp"

namespace prefork::wire {
namespace {

constexpr unsigned char lower(unsigned char c) { return c >= 'A' && c <= 'Z' ? static_cast<unsigned char>(c | 0x20) : c; }

// Length, first, middle and last byte tell nearly all known names apart; the compare settles the rest.
constexpr std::size_t kSlots = 512;
constexpr std::size_t hash(std::string_view name) {
  const std::size_t n = name.size();
  const auto at = [&](std::size_t i) { return std::size_t{lower(static_cast<unsigned char>(name[i]))}; };
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

bool same(std::string_view any_case, std::string_view known) {
  if (any_case.size() != known.size()) return false;
  for (std::size_t i = 0; i < known.size(); ++i) {
    if (lower(static_cast<unsigned char>(any_case[i])) != static_cast<unsigned char>(known[i])) return false;
  }
  return true;
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
