#include "crc32c.h"

#include <array>
#include <cstddef>

namespace ordermesh::engine::journal {
namespace {

// Slicing by eight: table k holds the effect of a byte that is followed by k more.
using Tables = std::array<std::array<std::uint32_t, 256>, 8>;

constexpr Tables make_tables() {
  constexpr std::uint32_t kPolynomial = 0x82F63B78U;  // reflected
  Tables tables{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) {
      crc = (crc >> 1U) ^ ((crc & 1U) != 0 ? kPolynomial : 0U);
    }
    tables[0][byte] = crc;
  }
  for (std::size_t k = 1; k < tables.size(); ++k) {
    for (std::size_t byte = 0; byte < 256; ++byte) {
      const std::uint32_t before = tables[k - 1][byte];
      tables[k][byte] = (before >> 8U) ^ tables[0][before & 0xFFU];
    }
  }
  return tables;
}

constexpr Tables kTables = make_tables();

}  // namespace

std::uint32_t crc32c(std::span<const std::uint8_t> bytes) noexcept {
  std::uint32_t crc = 0xFFFFFFFFU;
  std::size_t at = 0;
  for (; bytes.size() - at >= 8; at += 8) {
    std::uint32_t mixed = 0;
    for (std::size_t k = 0; k < 4; ++k) {
      mixed ^= kTables[7 - k][bytes[at + k] ^ ((crc >> (8 * k)) & 0xFFU)];
    }
    for (std::size_t k = 4; k < 8; ++k) {
      mixed ^= kTables[7 - k][bytes[at + k]];
    }
    crc = mixed;
  }
  for (; at < bytes.size(); ++at) {
    crc = (crc >> 8U) ^ kTables[0][(crc ^ bytes[at]) & 0xFFU];
  }
  return ~crc;
}

}  // namespace ordermesh::engine::journal
