#include "base/random.hpp"
#include "graph/edit.hpp"

namespace pleat {

void initialize(GraphData& graph, uint64_t seed) {
  for (size_t i = 0; i < graph.values.size(); ++i) {
    ValueInfo& value = graph.values[i];
    if ((value.kind != ValueKind::parameter && value.kind != ValueKind::state) || value.data.defined())
      continue;
    value.data = Tensor(value.type.shape, value.type.dtype);
    if (value.type.dtype == DType::i64) {
      for (int64_t& x : value.data.span<int64_t>()) x = static_cast<int64_t>(value.init.value);
      continue;
    }
    Random random(Random::mix(seed, i));
    for (float& x : value.data.span<float>()) {
      switch (value.init.kind) {
        case Init::Kind::constant:
          x = static_cast<float>(value.init.value);
          break;
        case Init::Kind::uniform:
          x = static_cast<float>(random.uniform(-value.init.value, value.init.value));
          break;
        case Init::Kind::normal:
          x = static_cast<float>(value.init.value * random.normal());
          break;
      }
    }
  }
}

}  // namespace pleat
