// Storage of orders in chunks: a slot keeps its address for life, growing copies nothing, and freed slots are used
// again last-in first-out, so that a busy book stays in the cache.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "ordermesh/engine/types.h"

namespace ordermesh::engine {

class OrderPool {
 public:
  static constexpr std::uint32_t kNone = 0xFFFFFFFFU;

  [[nodiscard]] Order& operator[](std::uint32_t slot) noexcept { return chunks_[slot >> kShift][slot & kMask]; }
  [[nodiscard]] const Order& operator[](std::uint32_t slot) const noexcept {
    return chunks_[slot >> kShift][slot & kMask];
  }

  // Orders allocated and not released.
  [[nodiscard]] std::uint32_t size() const noexcept { return size_; }

  // A free slot; its order's fields are left over from before, but for `slot`.
  [[nodiscard]] Order& allocate() {
    if (free_ == kNone) [[unlikely]] {
      grow();
    }
    Order& order = (*this)[free_];
    free_ = order.next;
    ++size_;
    return order;
  }

  void release(Order& order) noexcept {
    order.next = free_;
    free_ = order.slot;
    --size_;
  }

 private:
  static constexpr std::uint32_t kShift = 12;
  static constexpr std::uint32_t kChunk = 1U << kShift;
  static constexpr std::uint32_t kMask = kChunk - 1;

  void grow() {
    const auto first = static_cast<std::uint32_t>(chunks_.size()) * kChunk;
    auto chunk = std::make_unique<Order[]>(kChunk);
    for (std::uint32_t i = 0; i < kChunk; ++i) {
      chunk[i].slot = first + i;
      chunk[i].next = i + 1 < kChunk ? first + i + 1 : kNone;
    }
    chunks_.push_back(std::move(chunk));
    free_ = first;
  }

  std::vector<std::unique_ptr<Order[]>> chunks_;
  std::uint32_t free_ = kNone;
  std::uint32_t size_ = 0;
};

}  // namespace ordermesh::engine
