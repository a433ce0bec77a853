#include "api/batch_loader.hpp"

#include <utility>

#include "base/parallel.hpp"

namespace pleat {

BatchLoader::BatchLoader(int64_t first, int64_t last, Make make, bool ahead)
    : last_(last), make_(std::move(make)), next_(first), made_(first), free_(first + 1) {
  if (ahead && first < last) thread_ = std::jthread([this](const std::stop_token& stop) { work(stop); });
}

const Batch& BatchLoader::next() {
  Batch& batch = place(next_);
  if (!thread_.joinable()) {
    make_(next_, batch);
  } else {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return made_ > next_ || error_ != nullptr; });
    if (made_ <= next_) std::rethrow_exception(error_);
    free_ = next_ + 2;
    changed_.notify_all();
  }
  ++next_;
  return batch;
}

void BatchLoader::work(const std::stop_token& stop) {
  Arena alone(1);  // the other threads are for the training step
  std::unique_lock lock(mutex_);
  for (int64_t number = made_; number < last_; ++number) {
    if (!changed_.wait(lock, stop, [&] { return number < free_; })) return;
    lock.unlock();
    std::exception_ptr error;
    try {
      alone.execute([&] { make_(number, place(number)); });
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    error_ = error;
    made_ = error ? number : number + 1;
    changed_.notify_all();
    if (error) return;
  }
}

}  // namespace pleat
