// A hash table of small keys: open addressing with linear probing in a power of two, at most half full, deletion by
// shifting back, so that there are no tombstones and probes stay short however long the market runs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "ordermesh/engine/types.h"

namespace ordermesh::engine {

// Spreads a word over all bits; the top ones are used. Dense ids land far apart (Fibonacci hashing).
[[nodiscard]] constexpr std::uint64_t spread(std::uint64_t key) noexcept { return key * 0x9E3779B97F4A7C15ULL; }

[[nodiscard]] constexpr std::uint64_t spread(const ClientOrderId& key) noexcept {
  std::uint64_t mixed = key.first ^ (key.second * 0xD6E8FEB86659FD93ULL);
  mixed ^= mixed >> 32U;
  return mixed * 0x9E3779B97F4A7C15ULL;
}

template <typename Key, typename Value>
class HashIndex {
 public:
  HashIndex() { resize(kInitialBits); }

  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  // The value of a key, or nullptr. Valid until the next change.
  [[nodiscard]] const Value* find(const Key& key) const noexcept {
    for (std::size_t at = home(key);; at = (at + 1) & mask_) {
      const Entry& entry = entries_[at];
      if (!entry.used) {
        return nullptr;
      }
      if (entry.key == key) {
        return &entry.value;
      }
    }
  }

  // Adds a key that is not there.
  void insert(const Key& key, const Value& value) {
    if ((size_ + 1) * 2 > entries_.size()) [[unlikely]] {
      resize(bits_ + 1);
    }
    place(key, value);
    ++size_;
  }

  // Removes a key; false when it is not there.
  bool erase(const Key& key) noexcept {
    for (std::size_t at = home(key);; at = (at + 1) & mask_) {
      if (!entries_[at].used) {
        return false;
      }
      if (entries_[at].key == key) {
        close_gap(at);
        --size_;
        return true;
      }
    }
  }

  // Calls visit(key, value) for each entry, in no particular order.
  template <typename Visit>
  void for_each(Visit&& visit) const {
    for (const Entry& entry : entries_) {
      if (entry.used) {
        visit(entry.key, entry.value);
      }
    }
  }

 private:
  static constexpr unsigned kInitialBits = 6;

  struct Entry {
    Key key{};
    Value value{};
    bool used = false;
  };

  [[nodiscard]] std::size_t home(const Key& key) const noexcept { return spread(key) >> (64U - bits_); }

  void place(const Key& key, const Value& value) noexcept {
    std::size_t at = home(key);
    while (entries_[at].used) {
      at = (at + 1) & mask_;
    }
    entries_[at] = Entry{key, value, true};
  }

  // Moves later entries of the run into the gap, as far as their home allows.
  void close_gap(std::size_t gap) noexcept {
    for (std::size_t at = (gap + 1) & mask_; entries_[at].used; at = (at + 1) & mask_) {
      const std::size_t distance = (at - home(entries_[at].key)) & mask_;
      if (distance >= ((at - gap) & mask_)) {
        entries_[gap] = entries_[at];
        gap = at;
      }
    }
    entries_[gap].used = false;
  }

  void resize(unsigned bits) {
    std::vector<Entry> old(std::size_t{1} << bits);
    old.swap(entries_);
    bits_ = bits;
    mask_ = entries_.size() - 1;
    for (const Entry& entry : old) {
      if (entry.used) {
        place(entry.key, entry.value);
      }
    }
  }

  std::vector<Entry> entries_;
  std::size_t mask_ = 0;
  std::size_t size_ = 0;
  unsigned bits_ = 0;
};

}  // namespace ordermesh::engine
