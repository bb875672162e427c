// CRC-32C (Castagnoli), the checksum of iSCSI, ext4 and most journals.
#pragma once

#include <cstdint>
#include <span>

namespace ordermesh::engine::journal {

[[nodiscard]] std::uint32_t crc32c(std::span<const std::uint8_t> bytes) noexcept;

}  // namespace ordermesh::engine::journal
