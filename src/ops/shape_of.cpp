// What a shape says: known when a network is planned, so that these never run.

#include <algorithm>

#include "base/format.hpp"
#include "ops/context.hpp"

namespace pleat {
namespace {

KnownValue known_dims(const std::vector<int64_t>& dims, Shape shape) {
  KnownValue known{Tensor::from<int64_t>(shape, dims)};
  if (std::count(dims.begin(), dims.end(), kDynamic) == 0) return known;
  known.unknown = Tensor(shape, DType::boolean);
  for (size_t i = 0; i < dims.size(); ++i) known.unknown.data<bool>()[i] = dims[i] == kDynamic;
  return known;
}

struct ShapeOfOp {
  using Attributes = ops::ShapeOf;
  static constexpr std::string_view name = "shape_of";

  static std::vector<int64_t> dims(const Attributes& attributes, const Shape& x) {
    const auto bounded = [&](int64_t i) {
      return std::clamp<int64_t>(i < 0 ? i + x.rank() : i, 0, x.rank());
    };
    const int64_t begin = bounded(attributes.begin), end = bounded(attributes.end.value_or(x.rank()));
    std::vector<int64_t> dims;
    for (int64_t i = begin; i < end; ++i) dims.push_back(x[static_cast<int>(i)]);
    return dims;
  }

  static std::vector<ValueType> infer(const Attributes& attributes, const InputTypes& in) {
    return {{DType::i64, {static_cast<int64_t>(dims(attributes, in[0]->shape).size())}}};
  }
  static KnownValue known(const Attributes& attributes, const InputTypes& in) {
    const std::vector<int64_t> sizes = dims(attributes, in[0]->shape);
    return known_dims(sizes, {static_cast<int64_t>(sizes.size())});
  }
};

struct SizeOfOp {
  using Attributes = ops::SizeOf;
  static constexpr std::string_view name = "size_of";

  static std::vector<ValueType> infer(const Attributes&, const InputTypes&) { return {{DType::i64, {}}}; }
  static KnownValue known(const Attributes&, const InputTypes& in) {
    return known_dims({in[0]->shape.numel()}, {});
  }
};

}  // namespace

PLEAT_OP(ShapeOfOp)
PLEAT_OP(SizeOfOp)

}  // namespace pleat
