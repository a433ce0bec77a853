// A run allocates nothing: neither in inference nor in training; and a training step takes the memory that
// was planned. The whole test program's malloc and mmap count.

#include <doctest/doctest.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <vector>

#include "base/zeroed_memory.hpp"
#include "pleat/model.hpp"
#include "pleat/models.hpp"
#include "pleat/train.hpp"
#include "support/model_tools.hpp"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define PLEAT_COUNTS_ALLOCATIONS 0
#else
#define PLEAT_COUNTS_ALLOCATIONS 1
#endif

#if PLEAT_COUNTS_ALLOCATIONS
namespace {
std::atomic<int64_t> allocations{0};
std::atomic<int64_t> large_bytes{0};  // in pieces that only tensors and plans have; mapped ones that are left

void count(size_t size) {
  constexpr size_t kLarge = 16 << 10;
  ++allocations;
  if (size >= kLarge) large_bytes += static_cast<int64_t>(size);
}
}  // namespace

extern "C" {
void* __libc_malloc(size_t size);
void* __libc_calloc(size_t count, size_t size);
void* __libc_memalign(size_t alignment, size_t size);

void* malloc(size_t size) {
  count(size);
  return __libc_malloc(size);
}
void* calloc(size_t number, size_t size) {
  count(number * size);
  return __libc_calloc(number, size);
}
void* aligned_alloc(size_t alignment, size_t size) {
  count(size);
  return __libc_memalign(alignment, size);
}
void* mmap(void* address, size_t size, int protection, int flags, int file, off_t offset) {
  large_bytes += static_cast<int64_t>(size);
  return reinterpret_cast<void*>(syscall(SYS_mmap, address, size, protection, flags, file, offset));
}
int munmap(void* address, size_t size) {
  large_bytes -= static_cast<int64_t>(size);
  return static_cast<int>(syscall(SYS_munmap, address, size));
}
}
#endif

namespace pleat {

#if PLEAT_COUNTS_ALLOCATIONS
// Pieces of some size are parts of one mapping, in which they are not seen. Takes what is left of it.
struct SharedMapping {
  int64_t left = 0;       // bytes, but for less than a piece
  int64_t next_left = 0;  // of the one that comes after it
};

SharedMapping use_up_shared_mapping() {
  constexpr size_t kPiece = 256 << 10, kMostPieces = 200;
  SharedMapping mapping;
  std::vector<ZeroedMemory> pieces;
  for (size_t i = 0; i < kMostPieces; ++i) {
    const int64_t before = large_bytes;
    pieces.emplace_back(kPiece);
    if (large_bytes - before > static_cast<int64_t>(16 * kPiece)) {
      mapping.next_left = large_bytes - before - static_cast<int64_t>(kPiece);
      return mapping;
    }
    mapping.left += static_cast<int64_t>(kPiece);
  }
  FAIL("no mapping came to its end");
  return mapping;
}
#endif

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

TEST_CASE("trainer: a step takes the memory that was planned") {
#if PLEAT_COUNTS_ALLOCATIONS
  struct Case {
    std::string name;
    Optimizer optimizer;
    Shape input;
  };
  // What the task scheduler keeps is there before anything is measured.
  Model first(models::build("resnet20"), {.threads = 2});
  Trainer(first, {}, {}).step(test::random_tensor({8, 3, 32, 32}, 1), Tensor({8}, DType::i64));
  for (const auto& [name, optimizer, input] :
       {Case{"resnet20", {SGD{}}, {32, 3, 32, 32}}, Case{"mobilenetv2", {Adam{}}, {4, 3, 64, 64}},
        Case{"resnet18", {SGD{.momentum = 0}}, {2, 3, 64, 64}}}) {
    CAPTURE(name);
    Model model(models::build(name), {.threads = 2});
    const Tensor inputs = test::random_tensor(input, 1), labels(Shape{input[0]}, DType::i64);
    Trainer trainer(model, {}, optimizer);
    const PlannedMemory planned = trainer.planned_memory(inputs.shape(), labels.shape());
    const int64_t free_before = use_up_shared_mapping().next_left;
    const int64_t planning = large_bytes;  // with what the plan itself took
    trainer.step(inputs, labels);
    const int64_t mapped = large_bytes - planning;
    const int64_t stepped = mapped + free_before - use_up_shared_mapping().left;
    CAPTURE(planned.optimizer);
    CAPTURE(planned.activations);
    CAPTURE(planned.workspace);
    const auto taken = static_cast<double>(planned.activations + planned.workspace);
    CHECK(static_cast<double>(stepped) >= taken * 0.98);
    CHECK(static_cast<double>(stepped) <= taken * 1.05 + 1e6);  // pages, the plan's own lists
    int64_t weights = 0;
    for (const auto& [unused, tensor] : model.state_dict()) weights += static_cast<int64_t>(tensor.bytes());
    CHECK(planned.parameters == weights);
    int64_t state = 0;
    for (const auto& [unused, tensor] : trainer.state_dict()) state += static_cast<int64_t>(tensor.bytes());
    CHECK(planned.optimizer >= state - 8);  // the number of steps is no tensor of its own
    CHECK(planned.optimizer <= state + weights / 10);
    CHECK(planned.total() ==
          planned.parameters + planned.optimizer + planned.activations + planned.workspace);
  }
#else
  MESSAGE("skipped: a sanitizer owns malloc in this build");
#endif
}

}  // namespace pleat
