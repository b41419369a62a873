#include "shm/layout.hpp"

#include <array>
#include <charconv>

namespace prefork::shm {
namespace {

constexpr std::uint64_t kPage = 4096;
constexpr std::uint32_t kSmallestRing = 4096;
constexpr std::uint32_t kLargestRing = 1u << 30;
constexpr std::uint32_t kMostSlots = 1u << 20;

bool power_of_two(std::uint32_t value) { return value != 0 && (value & (value - 1)) == 0; }

}  // namespace

bool Geometry::valid() const {
  const auto fits = [](std::uint32_t bytes) {
    return power_of_two(bytes) && bytes >= kSmallestRing && bytes <= kLargestRing;
  };
  return fits(request_bytes) && fits(reply_bytes) && slots >= 1 && slots <= kMostSlots;
}

std::string Geometry::to_text() const {
  return std::to_string(kLayoutVersion) + ':' + std::to_string(request_bytes) + ':' + std::to_string(reply_bytes) +
         ':' + std::to_string(slots);
}

std::optional<Geometry> Geometry::from_text(std::string_view text) {
  std::array<std::uint32_t, 4> numbers{};
  const char* at = text.data();
  const char* const end = at + text.size();
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const auto [next, error] = std::from_chars(at, end, numbers[i]);
    const bool last = i + 1 == numbers.size();
    if (error != std::errc{} || (last ? next != end : next == end || *next != ':')) return std::nullopt;
    at = next + 1;
  }
  const Geometry geometry{numbers[1], numbers[2], numbers[3]};
  if (numbers[0] != kLayoutVersion || !geometry.valid()) return std::nullopt;
  return geometry;
}

Layout::Layout(const Geometry& geometry) {
  std::uint64_t at = kPage;
  const auto place = [&at](std::uint64_t bytes, std::uint64_t align) {
    at = (at + align - 1) / align * align;
    const auto here = at;
    at += bytes;
    return here;
  };
  request_ring = place(sizeof(RingPositions), kLine);
  reply_ring = place(sizeof(RingPositions), kLine);
  worker_bell = place(sizeof(BellFlag), kLine);
  master_bell = place(sizeof(BellFlag), kLine);
  phase = place(sizeof(PhaseWord), kLine);
  counters = place(sizeof(Counters), kLine);
  master_recorder = place(sizeof(Recorder), kLine);
  worker_recorder = place(sizeof(Recorder), kLine);
  claims = place(std::uint64_t{geometry.slots} * sizeof(std::uint64_t), kPage);
  request_bytes = place(geometry.request_bytes, kPage);
  reply_bytes = place(geometry.reply_bytes, kPage);
  total = (at + kPage - 1) / kPage * kPage;
}

}  // namespace prefork::shm
