#include "executor/packing.hpp"

#include <algorithm>
#include <atomic>
#include <functional>
#include <mutex>
#include <utility>

#include "ops/context.hpp"

namespace pleat {
namespace {

class Packing {
 public:
  Packing(Plan& plan, std::vector<int> packers) : plan_(plan), packers_(std::move(packers)) {}

  void pack(const Step& step, RunArguments& arguments, void* packed) {
    const auto pack = plan_.compute == DType::f64 ? step.op->pack_f64 : step.op->pack_f32;
    arguments.packed = packed;
    if (arguments.inputs[kPackedInput].data != nullptr) return pack(step.attributes, arguments, packed);

    const auto buffer = static_cast<size_t>(step.inputs[kPackedInput]);
    Tensor& weight = plan_.buffers[buffer].tensor;
    std::vector<TensorRef> inputs(arguments.inputs, arguments.inputs + arguments.input_count);
    Read read;
    if (weight.is_deferred()) {
      read = take_spare(read_bytes(step));
      weight.copy_to(read.memory.data());
      inputs[kPackedInput].data = read.memory.data();
    } else {
      inputs[kPackedInput].data = const_cast<void*>(std::as_const(weight).raw());
    }
    RunArguments once = arguments;
    once.inputs = inputs.data();
    pack(step.attributes, once, packed);
    const std::lock_guard lock(mutex_);
    if (read.bytes > 0) spare_.push_back(std::move(read));
    if (--packers_[buffer] == 0) weight = Tensor();
  }

  /// Of the weight that the step packs.
  size_t read_bytes(const Step& step) const {
    return bytes_of(plan_.buffers[static_cast<size_t>(step.inputs[kPackedInput])].type);
  }

 private:
  struct Read {
    ZeroedMemory memory;
    size_t bytes = 0;
  };

  // While a thread waits for parts of one weight it may begin another. Much more than is needed is given
  // back.
  Read take_spare(size_t bytes) {
    const std::lock_guard lock(mutex_);
    Read taken;
    if (!spare_.empty()) {
      taken = std::move(spare_.back());
      spare_.pop_back();
    }
    if (taken.bytes < bytes || taken.bytes / 2 > bytes) {
      taken = {};
      taken = {ZeroedMemory(bytes), bytes};
    }
    return taken;
  }

  Plan& plan_;
  std::vector<int> packers_;  // of each buffer, those still to come
  std::mutex mutex_;
  std::vector<Read> spare_;  // for weights that are read to be packed
};

}  // namespace

std::vector<int> count_packers(const Plan& plan) {
  std::vector<int> packers(plan.buffers.size());
  std::vector<bool> read(plan.buffers.size());
  for (const auto& [from, to] : plan.copies) read[static_cast<size_t>(from)] = true;
  for (const Step& step : plan.steps) {
    for (size_t i = 0; i < step.inputs.size(); ++i) {
      if (step.inputs[i] < 0) continue;
      const auto buffer = static_cast<size_t>(step.inputs[i]);
      if (step.packed_bytes > 0 && i == kPackedInput) {
        ++packers[buffer];
      } else {
        read[buffer] = true;
      }
    }
  }
  for (size_t i = 0; i < packers.size(); ++i) packers[i] = read[i] ? 0 : packers[i];
  return packers;
}

ZeroedMemory pack_weights(Plan& plan, std::vector<int> packers,
                          FunctionRef<RunArguments*(size_t step)> arguments_of) {
  struct Place {
    size_t step, offset, read;
  };
  std::vector<Place> places;
  size_t total = 0;
  Packing packing(plan, std::move(packers));
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    const Step& step = plan.steps[i];
    if (step.packed_bytes == 0) continue;
    places.push_back({i, total, packing.read_bytes(step)});
    total += whole_lines(step.packed_bytes);
  }
  // The largest first, whichever thread comes: what they are read into is given back before all is packed.
  std::ranges::stable_sort(places, std::greater(), &Place::read);
  std::atomic<size_t> next = 0;
  ZeroedMemory packed(total);
  parallel_for(static_cast<int64_t>(places.size()), /*grain=*/1, [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p) {
      const Place& place = places[next++];
      packing.pack(plan.steps[place.step], *arguments_of(place.step), packed.data() + place.offset);
    }
  });
  return packed;
}

}  // namespace pleat
