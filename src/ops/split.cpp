// x in `parts` along dim, of the given sizes; without sizes each as large as the first, and the last what is
// left.

#include "base/format.hpp"
#include "ops/context.hpp"
#include "ops/known.hpp"
#include "ops/strided_copy.hpp"

namespace pleat {
namespace {

struct SplitOp {
  using Attributes = ops::Split;
  static constexpr std::string_view name = "split";
  static constexpr KnownRule known_rule = KnownRule::moves;

  static std::vector<int> shape_inputs(const Attributes&) { return {1}; }

  static int split_dim(const Attributes& attributes, const Shape& x) {
    return static_cast<int>(attributes.dim < 0 ? attributes.dim + x.rank() : attributes.dim);
  }

  static std::vector<ValueType> infer(const Attributes& attributes, const InputTypes& in) {
    const Shape& x = in[0]->shape;
    const int dim = split_dim(attributes, x);
    if (dim < 0 || dim >= x.rank()) fail("split: dim ", attributes.dim, " is outside of ", x.str());
    if (attributes.parts < 1) fail("split: needs at least one part, got ", attributes.parts);
    check_integers(in, 1, "sizes");
    const KnownElements sizes(in, 1);
    const bool given = in.size() > 1 && in[1] != nullptr;
    if (given && sizes.size() != attributes.parts && sizes.size() != kDynamic) {
      fail("split: needs a size for each of ", attributes.parts, " parts, got ", sizes.size());
    }
    std::vector<ValueType> parts;
    int64_t taken = 0;
    for (int64_t k = 0; k < attributes.parts; ++k) {
      Shape part = x;
      part[dim] = given ? given_size(sizes, k) : equal_size(attributes.parts, x, dim, k);
      taken = part[dim] == kDynamic || taken == kDynamic ? kDynamic : taken + part[dim];
      parts.push_back({in[0]->dtype, part});
    }
    if (x[dim] != kDynamic && taken != kDynamic && taken != x[dim]) {
      fail("split: sizes that sum to ", taken, " do not fit dim ", dim, " of ", x.str());
    }
    return parts;
  }

  static int64_t given_size(const KnownElements& sizes, int64_t k) {
    if (sizes.size() == kDynamic || !sizes.known(k)) return kDynamic;
    if (sizes.integer(k) < 0) fail("split: a size must not be negative, got ", sizes.integer(k));
    return sizes.integer(k);
  }

  static int64_t equal_size(int64_t parts, const Shape& x, int dim, int64_t k) {
    if (x[dim] == kDynamic) return kDynamic;
    const int64_t each = (x[dim] + parts - 1) / parts, last = x[dim] - each * (parts - 1);
    if (last < 0) fail("split: dim ", dim, " of ", x.str(), " cannot be cut into ", parts, " equal parts");
    return k + 1 < parts ? each : last;
  }

  template <class T>
  static void run(const Attributes& attributes, const Context<T>& context) {
    const Shape& x = context.in_shape(0);
    const int dim = split_dim(attributes, x);
    const int64_t outer = x.product(0, dim), inner = x.product(dim + 1, x.rank());
    const auto element = static_cast<int64_t>(size_of(context.in_dtype(0)));
    const auto* from = context.template in<std::byte>(0);
    for (int k = 0; k < attributes.parts; ++k) {
      const int64_t length = context.out_shape(k)[dim] * inner;
      StridedCopy part;
      part.add(outer, x[dim] * inner, length);
      part.add(length, 1, 1);
      part.run(context.in_dtype(0), from, context.template out<void>(k));
      from += length * element;
    }
  }

  static void gradient(const Attributes& attributes, GradientScope& scope) {
    std::vector<ValueId> parts;
    for (int k = 0; k < attributes.parts; ++k) {
      const ValueId part = scope.output_gradient(k);
      parts.push_back(part != kAbsent ? part : scope.emit(ops::Fill{0}, {scope.output(k)})[0]);
    }
    scope.set_input_gradient(0, scope.emit(ops::Concat{attributes.dim}, parts)[0]);
  }
};

}  // namespace

PLEAT_OP(SplitOp)

}  // namespace pleat
