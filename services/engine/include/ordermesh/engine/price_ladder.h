// The price levels of one side of a book. Levels near the touch lie in an array, one per tick, with a two-level bitmap
// that finds the best in two instructions; levels outside the array's window lie in an ordered map. The window follows
// the market when enough levels were opened outside of it.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <limits>
#include <map>
#include <vector>

#include "ordermesh/engine/order_pool.h"
#include "ordermesh/engine/types.h"

namespace ordermesh::engine {

// The orders at one price, oldest first, linked by pool slots.
struct Level {
  Quantity quantity = 0;
  std::uint32_t count = 0;
  std::uint32_t head = OrderPool::kNone;
  std::uint32_t tail = OrderPool::kNone;
};

class PriceLadder {
 public:
  // A price as this side ranks it: the lower, the better.
  using Key = std::int64_t;
  static constexpr Key kNoKey = std::numeric_limits<Key>::max();
  static constexpr std::uint64_t kWindow = 4096;

  explicit PriceLadder(Side side) noexcept : sign_(side == Side::kBuy ? -1 : 1) {}

  [[nodiscard]] Key key(Price price) const noexcept { return sign_ * price; }
  [[nodiscard]] Price price(Key key) const noexcept { return sign_ * key; }

  [[nodiscard]] bool empty() const noexcept { return best_key_ == kNoKey; }
  // kNoKey when there is no level.
  [[nodiscard]] Key best_key() const noexcept { return best_key_; }
  // Only when not empty.
  [[nodiscard]] Level& best() noexcept { return *best_; }

  // The level at a key, which must be there.
  [[nodiscard]] Level& at(Key key) noexcept {
    const std::uint64_t offset = offset_of(key);
    return offset < kWindow ? window_[offset] : outside_.find(key)->second;
  }

  // The level at a key, opened if need be. The caller puts an order into it.
  [[nodiscard]] Level& open(Key key) {
    const std::uint64_t offset = offset_of(key);
    if (offset >= kWindow) [[unlikely]] {
      return open_outside(key);
    }
    Level& level = window_[offset];
    if (level.count == 0) {
      mark(offset);
      offer_best(key, level);
    }
    return level;
  }

  // Drops the level at a key, which has no orders any more.
  void close(Key key) noexcept {
    const std::uint64_t offset = offset_of(key);
    if (offset < kWindow) {
      unmark(offset);
    } else {
      outside_.erase(key);
    }
    if (key == best_key_) {
      find_best();
    }
  }

  // Calls visit(key, level) from the best level on, until it returns false.
  template <typename Visit>
  void for_each(Visit&& visit) const {
    auto next = outside_.begin();
    for (; next != outside_.end() && next->first < base_; ++next) {
      if (!visit(next->first, next->second)) {
        return;
      }
    }
    for (std::uint64_t words = summary_; words != 0; words &= words - 1) {
      const auto word = static_cast<std::uint64_t>(std::countr_zero(words));
      for (std::uint64_t bits = marks_[word]; bits != 0; bits &= bits - 1) {
        const std::uint64_t offset = word * 64 + static_cast<std::uint64_t>(std::countr_zero(bits));
        if (!visit(base_ + static_cast<Key>(offset), window_[offset])) {
          return;
        }
      }
    }
    for (; next != outside_.end(); ++next) {
      if (!visit(next->first, next->second)) {
        return;
      }
    }
  }

 private:
  // Better prices than the best have a quarter of the window, the depth behind it the rest.
  static constexpr Key kRoomAhead = static_cast<Key>(kWindow / 4);
  // Levels opened outside before the window moves; as many as it may hold, so that moving costs a constant per level.
  static constexpr std::uint64_t kPatience = kWindow;
  // Before the first level: far from every key, so that none is inside.
  static constexpr Key kUnplaced = 4 * kPriceLimit;

  [[nodiscard]] std::uint64_t offset_of(Key key) const noexcept { return static_cast<std::uint64_t>(key - base_); }

  void mark(std::uint64_t offset) noexcept {
    marks_[offset / 64] |= std::uint64_t{1} << (offset % 64);
    summary_ |= std::uint64_t{1} << (offset / 64);
  }

  void unmark(std::uint64_t offset) noexcept {
    marks_[offset / 64] &= ~(std::uint64_t{1} << (offset % 64));
    if (marks_[offset / 64] == 0) {
      summary_ &= ~(std::uint64_t{1} << (offset / 64));
    }
  }

  void offer_best(Key key, Level& level) noexcept {
    if (key < best_key_) {
      best_key_ = key;
      best_ = &level;
    }
  }

  void find_best() noexcept {
    best_key_ = kNoKey;
    if (summary_ != 0) {
      const auto word = static_cast<std::uint64_t>(std::countr_zero(summary_));
      const std::uint64_t offset = word * 64 + static_cast<std::uint64_t>(std::countr_zero(marks_[word]));
      offer_best(base_ + static_cast<Key>(offset), window_[offset]);
    }
    if (!outside_.empty()) [[unlikely]] {
      offer_best(outside_.begin()->first, outside_.begin()->second);
    }
  }

  [[gnu::noinline]] Level& open_outside(Key key) {
    if (window_.empty()) {
      window_.resize(kWindow);
    }
    if (empty()) {
      base_ = key - kRoomAhead;
      return open(key);
    }
    const auto known = outside_.find(key);
    if (known != outside_.end()) {
      return known->second;
    }
    if (++opened_outside_ > kPatience) {
      move_window(best_key_ - kRoomAhead);
      if (offset_of(key) < kWindow) {
        return open(key);
      }
    }
    Level& level = outside_[key];
    offer_best(key, level);
    return level;
  }

  // Puts the window elsewhere: all levels go to the map, and those within the new window come back.
  void move_window(Key base) {
    opened_outside_ = 0;
    for (std::uint64_t words = summary_; words != 0; words &= words - 1) {
      const auto word = static_cast<std::uint64_t>(std::countr_zero(words));
      for (std::uint64_t bits = marks_[word]; bits != 0; bits &= bits - 1) {
        const std::uint64_t offset = word * 64 + static_cast<std::uint64_t>(std::countr_zero(bits));
        outside_.emplace(base_ + static_cast<Key>(offset), window_[offset]);
        window_[offset] = Level{};
      }
      marks_[word] = 0;
    }
    summary_ = 0;
    base_ = base;
    auto inside = outside_.lower_bound(base);
    while (inside != outside_.end() && offset_of(inside->first) < kWindow) {
      window_[offset_of(inside->first)] = inside->second;
      mark(offset_of(inside->first));
      inside = outside_.erase(inside);
    }
    find_best();
  }

  Key sign_;
  Key base_ = kUnplaced;
  Key best_key_ = kNoKey;
  Level* best_ = nullptr;
  std::uint64_t summary_ = 0;
  std::array<std::uint64_t, kWindow / 64> marks_{};
  std::vector<Level> window_;
  std::map<Key, Level> outside_;
  std::uint64_t opened_outside_ = 0;
};

}  // namespace ordermesh::engine
