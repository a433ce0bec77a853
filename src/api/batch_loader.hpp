#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>

#include "pleat/tensor.hpp"

namespace pleat {

struct Batch {
  Tensor inputs, labels;
};

/// Makes batches first, first + 1, ..., last - 1 in this order, and the next one while the one before it is
/// in use: on a thread of its own, never more than one ahead.
class BatchLoader {
 public:
  /// Makes a batch, into tensors that held an earlier one.
  using Make = std::function<void(int64_t number, Batch& batch)>;

  /// `ahead` false: each batch is made by next(), on the thread that calls it.
  BatchLoader(int64_t first, int64_t last, Make make, bool ahead);
  /// Waits for the batch being made.
  ~BatchLoader() = default;

  /// The next batch, good until the call after this one. Rethrows what its making threw, again at each call.
  const Batch& next();

 private:
  void work(const std::stop_token& stop);
  Batch& place(int64_t number) { return batches_[number % 2]; }

  const int64_t last_;
  const Make make_;
  int64_t next_;  // for next() to give
  Batch batches_[2];

  std::mutex mutex_;
  std::condition_variable_any changed_;
  int64_t made_;  // batches before this one are made
  int64_t free_;  // and may be made before this one
  std::exception_ptr error_;
  std::jthread thread_;  // last: it uses all of the above
};

}  // namespace pleat
