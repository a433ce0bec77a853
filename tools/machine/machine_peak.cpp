#include "machine_peak.hpp"

#include <algorithm>
#include <barrier>
#include <chrono>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

namespace pleat {
namespace {

constexpr int kAttempts = 7;

/// Calls body(thread) on all threads at once, again and again; the seconds that the best attempt took.
template <class Body>
double best_seconds(int threads, const Body& body) {
  using Clock = std::chrono::steady_clock;
  using Seconds = std::chrono::duration<double>;
  std::barrier line(threads);
  std::vector<double> slowest(kAttempts * static_cast<size_t>(threads));
  {
    std::vector<std::jthread> team;
    for (int thread = 0; thread < threads; ++thread) {
      team.emplace_back([&, thread] {
        for (int attempt = 0; attempt < kAttempts; ++attempt) {
          line.arrive_and_wait();
          const Clock::time_point start = Clock::now();
          body(thread);
          slowest[static_cast<size_t>(attempt * threads + thread)] = Seconds(Clock::now() - start).count();
        }
      });
    }
  }
  double best = 1e9;
  for (auto it = slowest.begin(); it != slowest.end(); it += threads) {
    best = std::min(best, *std::max_element(it, it + threads));
  }
  return best;
}

typedef float Floats4 __attribute__((vector_size(16)));
typedef float Floats8 __attribute__((vector_size(32)));
typedef float Floats16 __attribute__((vector_size(64)));

constexpr int kSums = 12;  // more than latency (4) times units (2)
constexpr int kRounds = 1 << 18;

/// kSums independent chains with starts of their own, or the compiler would make them one. The result keeps
/// it from dropping them.
template <class Vector>
[[gnu::always_inline]] inline float chains(float x) {
  Vector sums[kSums], a = x - Vector{};
  for (int i = 0; i < kSums; ++i) sums[i] = a * static_cast<float>(i);
  for (int round = 0; round < kRounds; ++round) {
#pragma GCC unroll 12
    for (Vector& sum : sums) sum = sum * a + a;
  }
  for (const Vector& sum : sums) a += sum;
  return a[0];
}

#if defined(__x86_64__)
[[gnu::target("avx512f")]] float chains_512(float x) {
  return chains<Floats16>(x);
}
[[gnu::target("avx2,fma")]] float chains_256(float x) {
  return chains<Floats8>(x);
}
#endif
float chains_128(float x) {
  return chains<Floats4>(x);
}

}  // namespace

double fma_peak(std::string_view isa, int threads) {
  float (*loop)(float) = chains_128;
  int lanes = 4;
#if defined(__x86_64__)
  if (isa.starts_with("avx512")) {
    loop = chains_512;
    lanes = 16;
  } else if (isa.starts_with("avx2")) {
    loop = chains_256;
    lanes = 8;
  }
#endif
  const double seconds = best_seconds(threads, [&](int) {
    volatile float start = 1e-3f;
    volatile float result = loop(start);
    static_cast<void>(result);
  });
  return 2.0 * kSums * kRounds * lanes * threads / seconds;
}

double memory_bandwidth(int threads) {
  // Three arrays of 32 MiB a thread, of many threads less: beyond any core's part of the caches.
  constexpr int64_t kMiB = int64_t{1} << 20;
  const int64_t each =
      std::clamp(512 * kMiB / threads, 8 * kMiB, 32 * kMiB) / static_cast<int64_t>(sizeof(float));
  struct Arrays {
    std::unique_ptr<float[]> a, b, c;
  };
  std::vector<Arrays> of_thread(static_cast<size_t>(threads));
  const double seconds = best_seconds(threads, [&](int thread) {
    auto& [a, b, c] = of_thread[static_cast<size_t>(thread)];
    if (!a) {  // by the thread that uses them, so that their pages lie near it
      for (auto* array : {&a, &b, &c}) *array = std::make_unique<float[]>(static_cast<size_t>(each));
    }
    for (int64_t i = 0; i < each; ++i) a[i] = b[i] + 3 * c[i];
  });
  return 3.0 * sizeof(float) * static_cast<double>(each * threads) / seconds;
}

}  // namespace pleat
