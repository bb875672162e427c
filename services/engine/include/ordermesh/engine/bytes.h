// Little-endian encoding of plain values, for the journal and its snapshots.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace ordermesh::engine {

// Bytes that do not say what they should. The journal adds file and offset.
class DecodeError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class ByteWriter {
 public:
  explicit ByteWriter(std::vector<std::uint8_t>& bytes) : bytes_(bytes) {}

  // An integer or enum, little-endian in its own width.
  template <typename Value>
  void put(Value value) {
    if constexpr (std::is_enum_v<Value>) {
      put(static_cast<std::underlying_type_t<Value>>(value));
    } else {
      std::array<std::uint8_t, sizeof(Value)> raw;
      const auto word = static_cast<std::uint64_t>(value);
      for (std::size_t i = 0; i < sizeof(Value); ++i) {
        raw[i] = static_cast<std::uint8_t>(word >> (8 * i));
      }
      put_raw(raw.data(), raw.size());
    }
  }

  // A text of at most 65,535 bytes.
  void put_text(std::string_view text) {
    put(static_cast<std::uint16_t>(text.size()));
    put_raw(text.data(), text.size());
  }

  // Bytes as they are.
  void put_raw(const void* data, std::size_t size) {
    if (size > 0) {
      const std::size_t at = bytes_.size();
      bytes_.resize(at + size);
      std::memcpy(bytes_.data() + at, data, size);
    }
  }

 private:
  std::vector<std::uint8_t>& bytes_;
};

class ByteReader {
 public:
  explicit ByteReader(std::span<const std::uint8_t> bytes) : rest_(bytes) {}

  [[nodiscard]] bool done() const noexcept { return rest_.empty(); }

  template <typename Value>
  [[nodiscard]] Value get() {
    if constexpr (std::is_enum_v<Value>) {
      return static_cast<Value>(get<std::underlying_type_t<Value>>());
    } else {
      std::uint64_t word = 0;
      const auto bytes = take(sizeof(Value));
      for (std::size_t i = 0; i < sizeof(Value); ++i) {
        word |= static_cast<std::uint64_t>(bytes[i]) << (8 * i);
      }
      return static_cast<Value>(word);
    }
  }

  [[nodiscard]] std::string get_text() {
    const auto bytes = take(get<std::uint16_t>());
    return {bytes.begin(), bytes.end()};
  }

 private:
  std::span<const std::uint8_t> take(std::size_t count) {
    if (rest_.size() < count) {
      throw DecodeError("ends too early");
    }
    const auto taken = rest_.first(count);
    rest_ = rest_.subspan(count);
    return taken;
  }

  std::span<const std::uint8_t> rest_;
};

}  // namespace ordermesh::engine
