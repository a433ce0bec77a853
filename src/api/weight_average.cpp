#include "api/weight_average.hpp"

#include <cstring>

#include "base/format.hpp"
#include "base/parallel.hpp"

namespace pleat {

WeightAverage::WeightAverage(double decay, const StateDict& model, std::string_view prefix,
                             StateDict& buffers)
    : decay_(decay) {
  for (const auto& [name, weight] : model) {
    const std::string full_name = concat(prefix, name, ".ema");
    if (find(buffers, full_name) == nullptr) {
      buffers.emplace_back(full_name, Tensor(weight.shape(), weight.dtype()));
    }
    entries_.push_back({name, weight, *find(buffers, full_name)});
  }
}

void WeightAverage::update(bool first) {
  for (Entry& entry : entries_) {
    const Tensor& weight = entry.weight;
    if (first || weight.dtype() != DType::f32) {  // a counter has no average
      std::memcpy(entry.average.raw(), weight.raw(), weight.bytes());
      continue;
    }
    const float *from = weight.data<float>(), share = static_cast<float>(1 - decay_);
    float* average = entry.average.data<float>();
    parallel_for(weight.numel(), grain_for(1), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) average[i] += share * (from[i] - average[i]);
    });
  }
}

StateDict WeightAverage::state_dict() const {
  StateDict state;
  for (const Entry& entry : entries_) state.emplace_back(entry.name, entry.average);
  return state;
}

}  // namespace pleat
