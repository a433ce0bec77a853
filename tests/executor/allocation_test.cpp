// A run allocates nothing: neither in inference nor in training. The whole test program's malloc counts.

#include <doctest/doctest.h>

#include <atomic>
#include <cstdlib>

#include "pleat/model.hpp"
#include "pleat/models.hpp"
#include "support/model_tools.hpp"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define PLEAT_COUNTS_ALLOCATIONS 0
#else
#define PLEAT_COUNTS_ALLOCATIONS 1
#endif

#if PLEAT_COUNTS_ALLOCATIONS
namespace {
std::atomic<int64_t> allocations{0};
}

extern "C" {
void* __libc_malloc(size_t size);
void* __libc_calloc(size_t count, size_t size);
void* __libc_memalign(size_t alignment, size_t size);

void* malloc(size_t size) {
  ++allocations;
  return __libc_malloc(size);
}
void* calloc(size_t count, size_t size) {
  ++allocations;
  return __libc_calloc(count, size);
}
void* aligned_alloc(size_t alignment, size_t size) {
  ++allocations;
  return __libc_memalign(alignment, size);
}
}
#endif

namespace pleat {

TEST_CASE("executor: a run allocates nothing") {
#if PLEAT_COUNTS_ALLOCATIONS
  for (const std::string name : {"net", "mymodel", "resnet20", "mobilenetv2"}) {
    for (const bool training : {false, true}) {
      Model model(models::build(name), {.threads = 2});
      model.train(training);
      const Graph& graph = model.graph();
      const Shape input = graph.shape(graph.inputs()[0]).rank() == 2 ? Shape{16, 10} : Shape{16, 3, 32, 32};
      const std::vector<Tensor> inputs = {test::random_tensor(input, 1)};
      std::vector<Tensor> outputs = {Tensor({16, name == "mobilenetv2" ? 1000 : 10})};
      model.profile(inputs);  // must leave nothing switched on
      // The first runs plan, and let the task scheduler's threads start and fill their caches.
      for (int i = 0; i < 20; ++i) model.run(inputs, outputs);
      int64_t fewest = 1 << 30;
      for (int round = 0; round < 10; ++round) {
        const int64_t before = allocations;
        for (int i = 0; i < 5; ++i) model.run(inputs, outputs);
        fewest = std::min(fewest, allocations - before);
      }
      INFO(name, " ", training);
      CHECK(fewest == 0);
    }
  }
#else
  MESSAGE("skipped: a sanitizer owns malloc in this build");
#endif
}

}  // namespace pleat
