// neutral_bench FILE [ROUNDS]: runs a file of the neutral workload through a book with trade and depth events on, and
// prints JSON: operations per second (median and best of the rounds; also per second of processor time), nanoseconds
// per operation (a round of its own, the timer's cost included), the results, and whether they are those of
// FILE.expected.json. Exit code 1 when they are not.
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <iomanip>
#include <iostream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

#include "workload.h"

namespace {

using ordermesh::engine::Level;
using ordermesh::engine::OrderBook;
using ordermesh::engine::Price;
using ordermesh::engine::Side;
using ordermesh::engine::bench::Operation;
using ordermesh::engine::bench::perform;
using ordermesh::engine::bench::read_workload;
using ordermesh::engine::bench::Tally;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

std::uint64_t ticks() {
#if defined(__x86_64__)
  return __rdtsc();
#else
  return static_cast<std::uint64_t>(Clock::now().time_since_epoch().count());
#endif
}

// The processor time this thread has used: what a run costs, however many others share the machine.
double thread_seconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

double nanoseconds_per_tick() {
  const auto start = Clock::now();
  const std::uint64_t first = ticks();
  while (seconds_since(start) < 0.05) {
  }
  return seconds_since(start) * 1e9 / static_cast<double>(ticks() - first);
}

struct Results {
  Tally tally;
  std::uint64_t cancelled = 0;
  std::uint64_t cancels_rejected = 0;
  std::size_t live = 0;
  Price best_bid = 0;
  Price best_ask = 0;
};

Price best(const OrderBook<Tally>& book, Side side) {
  Price found = 0;
  book.for_each_level(side, [&](Price price, const Level&) {
    found = price;
    return false;
  });
  return found;
}

// Runs all operations; `measure(start, end)` is called with the tick counts around each when `kTimed`.
template <bool kTimed, typename Measure>
Results run(const std::vector<Operation>& operations, double& seconds, Measure&& measure) {
  Results results;
  OrderBook<Tally> book(results.tally);
  const auto start = Clock::now();
  for (const Operation& operation : operations) {
    const std::uint64_t before = kTimed ? ticks() : 0;
    const bool done = perform(book, operation);
    if constexpr (kTimed) {
      measure(ticks() - before);
    }
    if (operation.side == Side::kUnspecified) {
      ++(done ? results.cancelled : results.cancels_rejected);
    }
  }
  seconds = seconds_since(start);
  results.live = book.size();
  results.best_bid = best(book, Side::kBuy);
  results.best_ask = best(book, Side::kSell);
  return results;
}

std::string quoted_hex(std::uint64_t word) {
  std::ostringstream text;
  text << '"' << std::hex << std::setw(16) << std::setfill('0') << word << '"';
  return text.str();
}

// The results by the names that the expected file uses.
std::map<std::string, std::string> named(const Results& results) {
  return {{"trades", std::to_string(results.tally.trades)},
          {"traded_quantity", std::to_string(results.tally.traded_quantity)},
          {"notional", std::to_string(results.tally.notional)},
          {"cancelled", std::to_string(results.cancelled)},
          {"cancels_rejected", std::to_string(results.cancels_rejected)},
          {"live", std::to_string(results.live)},
          {"best_bid", std::to_string(results.best_bid)},
          {"best_ask", std::to_string(results.best_ask)},
          {"trade_hash", quoted_hex(results.tally.trade_hash)}};
}

// The flat JSON object of the expected file: every `"name": value`.
std::map<std::string, std::string> read_expected(const std::string& path) {
  std::ifstream file(path);
  std::map<std::string, std::string> values;
  for (std::string line; std::getline(file, line);) {
    const auto open = line.find('"');
    const auto close = open == std::string::npos ? open : line.find("\": ", open + 1);
    if (close == std::string::npos) {
      continue;
    }
    std::string value = line.substr(close + 3);
    if (!value.empty() && value.back() == ',') {
      value.pop_back();
    }
    values[line.substr(open + 1, close - open - 1)] = value;
  }
  return values;
}

int report(const std::string& path, int rounds) {
  const std::vector<Operation> operations = read_workload(path);
  const double scale = nanoseconds_per_tick();
  const auto count = static_cast<double>(operations.size());
  std::vector<double> rates;
  std::vector<double> processor_rates;
  Results results;
  for (int round = 0; round < rounds; ++round) {
    double seconds = 0;
    const double before = thread_seconds();
    results = run<false>(operations, seconds, [](std::uint64_t) {});
    processor_rates.push_back(count / (thread_seconds() - before));
    rates.push_back(count / seconds);
  }
  std::sort(rates.begin(), rates.end());
  std::sort(processor_rates.begin(), processor_rates.end());
  std::vector<std::uint64_t> times;
  times.reserve(operations.size());
  double timed_seconds = 0;
  run<true>(operations, timed_seconds, [&](std::uint64_t passed) { times.push_back(passed); });
  std::sort(times.begin(), times.end());
  const auto percentile = [&](double part) {
    const auto at = static_cast<std::size_t>(part * static_cast<double>(times.size() - 1));
    return static_cast<double>(times[at]) * scale;
  };

  const auto actual = named(results);
  const auto expected = read_expected(path + ".expected.json");
  bool equal = !expected.empty();
  std::cout << std::fixed << std::setprecision(0) << "{\"operations\": " << operations.size()
            << ", \"rounds\": " << rounds << ", \"operations_per_second\": " << rates[rates.size() / 2]
            << ", \"operations_per_second_best\": " << rates.back()
            << ", \"operations_per_processor_second\": " << processor_rates[processor_rates.size() / 2]
            << ", \"p50_ns\": " << percentile(0.50) << ", \"p99_ns\": " << percentile(0.99)
            << ", \"p999_ns\": " << percentile(0.999) << ", \"depth_events\": " << results.tally.depth_events;
  for (const auto& [name, value] : actual) {
    std::cout << ", \"" << name << "\": " << value;
    const auto wanted = expected.find(name);
    equal = equal && wanted != expected.end() && wanted->second == value;
  }
  std::cout << ", \"as_expected\": " << (equal ? "true" : "false") << "}\n";
  return equal ? EXIT_SUCCESS : EXIT_FAILURE;
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 2 || count > 3) {
    std::cerr << "usage: neutral_bench FILE [ROUNDS]\n";
    return 2;
  }
  try {
    const int rounds = count == 3 ? std::stoi(arguments[2]) : 9;
    if (rounds < 1) {
      throw std::invalid_argument("rounds must be above zero");
    }
    return report(arguments[1], rounds);
  } catch (const std::exception& error) {
    std::cerr << "neutral_bench: " << error.what() << '\n';
    return 2;
  }
}
