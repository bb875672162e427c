// The recent part of a gapless sequence: the last so many values, found by their number.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>

namespace ordermesh::engine {

// Values numbered from 1 on. A deque, so that memory grows with what is there and moves nothing.
template <typename Value>
class Recent {
 public:
  explicit Recent(std::size_t capacity) : capacity_(capacity) {}

  // The number of the last value ever added; zero before the first.
  [[nodiscard]] std::uint64_t last() const noexcept { return last_; }
  // The number of the oldest value still kept; last() + 1 when none is.
  [[nodiscard]] std::uint64_t first() const noexcept { return last_ - values_.size() + 1; }

  // Only for first() <= number <= last().
  [[nodiscard]] const Value& operator[](std::uint64_t number) const noexcept {
    return values_[static_cast<std::size_t>(number - first())];
  }

  // Whether everything after a number is still there.
  [[nodiscard]] bool reaches(std::uint64_t number) const noexcept { return number + 1 >= first() && number <= last_; }

  void add(const Value& value) {
    if (values_.size() >= capacity_) {
      values_.pop_front();
    }
    values_.push_back(value);
    ++last_;
  }

  // Starts with what was saved: `last` is the number of the last value added before; values follow by add().
  void restart(std::uint64_t last) noexcept {
    values_.clear();
    last_ = last;
  }

 private:
  std::size_t capacity_;
  std::deque<Value> values_;
  std::uint64_t last_ = 0;
};

}  // namespace ordermesh::engine
