#include <gtest/gtest.h>

#include <random>
#include <unordered_map>

#include "journal/crc32c.h"
#include "ordermesh/engine/hash_index.h"
#include "ordermesh/engine/order_pool.h"
#include "ordermesh/engine/recent.h"

namespace ordermesh::engine::test {
namespace {

TEST(HashIndexTest, HoldsWhatASimpleMapHolds) {
  std::mt19937_64 random(1);
  HashIndex<std::uint64_t, std::uint32_t> index;
  std::unordered_map<std::uint64_t, std::uint32_t> map;
  for (std::uint32_t step = 0; step < 200'000; ++step) {
    const std::uint64_t key = random() % 5'000;
    if (map.contains(key)) {
      ASSERT_NE(index.find(key), nullptr);
      ASSERT_EQ(*index.find(key), map[key]);
      ASSERT_TRUE(index.erase(key));
      map.erase(key);
    } else {
      ASSERT_EQ(index.find(key), nullptr);
      ASSERT_FALSE(index.erase(key));
      index.insert(key, step);
      map[key] = step;
    }
    ASSERT_EQ(index.size(), map.size());
  }
  std::size_t seen = 0;
  index.for_each([&](std::uint64_t key, std::uint32_t value) {
    EXPECT_EQ(map.at(key), value);
    ++seen;
  });
  EXPECT_EQ(seen, map.size());
}

TEST(HashIndexTest, TellsApartIdsThatDifferInEitherHalf) {
  HashIndex<ClientOrderId, int> index;
  index.insert({1, 2}, 12);
  index.insert({2, 1}, 21);
  EXPECT_EQ(*index.find({1, 2}), 12);
  EXPECT_EQ(*index.find({2, 1}), 21);
  EXPECT_EQ(index.find({1, 1}), nullptr);
}

TEST(OrderPoolTest, KeepsAddressesAndUsesFreedSlotsAgain) {
  OrderPool pool;
  Order& first = pool.allocate();
  first.id = 7;
  for (int i = 0; i < 20'000; ++i) {
    static_cast<void>(pool.allocate());
  }
  EXPECT_EQ(&pool[first.slot], &first);
  EXPECT_EQ(first.id, 7U);
  const std::uint32_t slot = first.slot;
  pool.release(first);
  EXPECT_EQ(pool.allocate().slot, slot);
  EXPECT_EQ(pool.size(), 20'001U);
}

TEST(RecentTest, KeepsTheLastAndSaysWhatIsGone) {
  Recent<int> recent(3);
  EXPECT_TRUE(recent.reaches(0));
  EXPECT_FALSE(recent.reaches(1)) << "one has not happened";
  for (int value = 1; value <= 5; ++value) {
    recent.add(value * 10);
  }
  EXPECT_EQ(recent.first(), 3U);
  EXPECT_EQ(recent.last(), 5U);
  EXPECT_EQ(recent[3], 30);
  EXPECT_EQ(recent[5], 50);
  EXPECT_TRUE(recent.reaches(2));
  EXPECT_FALSE(recent.reaches(1));
  EXPECT_TRUE(recent.reaches(5));
}

TEST(RecentTest, GoesOnFromWhereItWasSaved) {
  Recent<int> recent(3);
  recent.restart(7);
  EXPECT_EQ(recent.first(), 8U);
  EXPECT_TRUE(recent.reaches(7));
  EXPECT_FALSE(recent.reaches(6));
  recent.add(80);
  EXPECT_EQ(recent[8], 80);
}

TEST(Crc32cTest, MatchesThePublishedCheckValues) {
  // RFC 3720, B.4, and the check value of the CRC catalogue.
  const std::vector<std::uint8_t> digits{'1', '2', '3', '4', '5', '6', '7', '8', '9'};
  EXPECT_EQ(journal::crc32c(digits), 0xE3069283U);
  EXPECT_EQ(journal::crc32c(std::vector<std::uint8_t>(32, 0)), 0x8A9136AAU);
  EXPECT_EQ(journal::crc32c(std::vector<std::uint8_t>(32, 0xFF)), 0x62A8AB43U);
}

}  // namespace
}  // namespace ordermesh::engine::test
