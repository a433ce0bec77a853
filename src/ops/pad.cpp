// y is x with more elements before and after each dimension's: `value`; the outermost element (edge); those
// beside it, mirrored (reflect); or those of the other end (wrap). A negative pad crops, before others are
// added.

#include <algorithm>

#include "base/format.hpp"
#include "ops/axis_gather.hpp"
#include "ops/axis_taps.hpp"
#include "ops/context.hpp"
#include "ops/known.hpp"

namespace pleat {
namespace {

constexpr int64_t kMostPad = int64_t{1} << 41;  // no tensor has as many elements

// The pads of each of x's dimensions.
struct Pads {
  struct Dim {
    int64_t begin = 0, end = 0;
    bool known = true;
  };
  std::array<Dim, kMaxRank> dims{};

  Pads(int rank, const KnownElements& pads, const KnownElements& axes) {
    const bool placed = pads.size() != kDynamic && axes.all_known();
    if (!placed) {
      for (Dim& dim : dims) dim.known = false;
      return;
    }
    const int64_t count = pads.size() / 2;
    for (int64_t i = 0; i < count; ++i) {
      const int64_t axis = axes.size() == 0 ? i : axes.integer(i);
      Dim& dim = dims[static_cast<size_t>(axis < 0 ? axis + rank : axis)];
      dim.known = pads.known(i) && pads.known(count + i);
      if (dim.known) dim = {pads.integer(i), pads.integer(count + i), true};
    }
  }
};

Shape padded_shape(const ops::Pad& attributes, const Shape& x, const InputTypes& in, size_t pads_input,
                   size_t axes_input) {
  check_rank("pad", x);
  check_integers(in, pads_input, "pads");
  check_integers(in, axes_input, "axes");
  const KnownElements pads(in, pads_input), axes(in, axes_input);
  const bool all = axes_input >= in.size() || in[axes_input] == nullptr;
  const int64_t count = all ? x.rank() : axes.size();
  if (count != kDynamic && pads.size() != kDynamic && pads.size() != 2 * count) {
    fail("pad: needs ", 2 * count, " pads, a begin and an end for each axis, got ", pads.size(), " for ",
         x.str());
  }
  if (!all) known_axes(in[axes_input], x.rank(), "pad");
  const Pads each(x.rank(), pads, axes);
  Shape y = x;
  for (int d = 0; d < x.rank(); ++d) {
    const auto& pad = each.dims[static_cast<size_t>(d)];
    if (!pad.known) y[d] = kDynamic;
    if (y[d] == kDynamic) continue;
    if (std::max(pad.begin, pad.end) > kMostPad || std::min(pad.begin, pad.end) < -kMostPad) {
      fail("pad: ", pad.begin, " and ", pad.end, " at dim ", d, " of ", x.str(), " are beyond ", kMostPad);
    }
    const int64_t kept = x[d] + std::min<int64_t>(pad.begin, 0) + std::min<int64_t>(pad.end, 0);
    if (kept < 0) {
      fail("pad: ", pad.begin, " and ", pad.end, " crop more than there is of dim ", d, " of ", x.str());
    }
    y[d] += pad.begin + pad.end;
    if (kept == 0 && y[d] > 0 && attributes.mode != ops::PadMode::constant) {
      fail("pad: no element of dim ", d, " of ", x.str(), " is left to repeat");
    }
  }
  return y;
}

// Where x's index for place i of y lies; -1 for a place that the constant fills.
class Source {
 public:
  Source(ops::PadMode mode, int64_t n, const Pads::Dim& pad)
      : mode_(mode),
        shift_(std::max<int64_t>(pad.begin, 0)),
        first_(std::max<int64_t>(-pad.begin, 0)),
        size_(n - first_ - std::max<int64_t>(-pad.end, 0)) {}

  int64_t operator()(int64_t i) const {
    const int64_t at = i - shift_;
    if (at >= 0 && at < size_) return first_ + at;
    if (mode_ == ops::PadMode::constant) return -1;
    if (mode_ == ops::PadMode::edge) return first_ + (at < 0 ? 0 : size_ - 1);
    if (mode_ == ops::PadMode::wrap) return first_ + modulo(at, size_);
    // Reflected: back and forth without repeating either end.
    const int64_t last = size_ - 1, place = last == 0 ? 0 : modulo(at, 2 * last);
    return first_ + std::min(place, 2 * last - place);
  }

 private:
  static int64_t modulo(int64_t a, int64_t b) { return (a % b + b) % b; }

  ops::PadMode mode_;
  int64_t shift_, first_, size_;
};

struct PadOp {
  using Attributes = ops::Pad;
  static constexpr std::string_view name = "pad";

  static std::vector<int> shape_inputs(const Attributes&) { return {1, 3}; }

  static std::vector<ValueType> infer(const Attributes& attributes, const InputTypes& in) {
    const Shape y = padded_shape(attributes, in[0]->shape, in, 1, 3);
    if (in.size() > 2 && in[2] != nullptr && (in[2]->shape.numel() != 1 || in[2]->dtype != in[0]->dtype)) {
      fail("pad: needs a value of one ", name_of(in[0]->dtype), ", got ", name_of(in[2]->dtype), " ",
           in[2]->shape.str());
    }
    return {{in[0]->dtype, y}};
  }

  // The sources of each dimension's places.
  static Workspace workspace(const Attributes&, const InputTypes& in, DType) {
    const Shape& x = in[0]->shape;
    const Pads pads(x.rank(), KnownElements(in, 1), KnownElements(in, 3));
    int64_t places = 0;
    for (int d = 0; d < x.rank(); ++d) {
      const auto& pad = pads.dims[static_cast<size_t>(d)];
      places += x[d] + pad.begin + pad.end;
    }
    return {static_cast<size_t>(places) * sizeof(int64_t), 0};
  }

  template <class T>
  static void run(const Attributes& attributes, const Context<T>& context) {
    const Shape &x = context.in_shape(0), &y = context.out_shape(0);
    if (y.numel() == 0) return;
    const Pads pads(x.rank(), KnownElements(context.in_type(1)), KnownElements(context.in_type(3)));
    auto* table = context.template workspace<int64_t>();
    AxisGather gather;
    for (int d = 0; d < x.rank(); ++d) {
      const auto& pad = pads.dims[static_cast<size_t>(d)];
      const bool moved = pad.begin != 0 || pad.end != 0;
      gather.add(x[d], y[d], moved ? table : nullptr);
      const Source source(attributes.mode, x[d], pad);
      for (int64_t i = 0; moved && i < y[d]; ++i) *table++ = source(i);
    }
    const int64_t zero = 0;
    gather.run(context.out_dtype(0), context.in_type(2) != nullptr ? context.template in<void>(2) : &zero,
               context.template in<void>(0), context.template out<void>(0));
  }

  static void gradient(const Attributes& attributes, GradientScope& scope) {
    const ops::PadGradient back{attributes.mode};
    scope.set_input_gradient(
        0, scope.emit(back, {scope.output_gradient(0), scope.input(0), scope.input(1), scope.input(3)})[0]);
  }
};

// dx[j] = sum of dy over the places that x's j went to.
struct PadGradientOp {
  using Attributes = ops::PadGradient;
  static constexpr std::string_view name = "pad_gradient";

  static std::vector<int> shape_inputs(const Attributes&) { return {2, 3}; }

  static std::vector<ValueType> infer(const Attributes& attributes, const InputTypes& in) {
    const Shape y = padded_shape({attributes.mode}, in[1]->shape, in, 2, 3);
    if (y.is_static() && in[0]->shape.is_static() && y != in[0]->shape) {
      fail("pad_gradient: needs dy of ", y.str(), ", got ", in[0]->shape.str());
    }
    return {{in[0]->dtype, in[1]->shape}};
  }

  static AxisMaps maps(const Shape& x, const Shape& y, const Pads& pads) {
    AxisMaps maps(x, y, /*transposed=*/true);
    for (int d = 0; d < x.rank(); ++d) {
      const auto& pad = pads.dims[static_cast<size_t>(d)];
      if (pad.begin != 0 || pad.end != 0) maps.add(d, y[d]);
    }
    return maps;
  }

  static Workspace workspace(const Attributes&, const InputTypes& in, DType compute) {
    const Pads pads(in[1]->shape.rank(), KnownElements(in, 2), KnownElements(in, 3));
    return {maps(in[1]->shape, in[0]->shape, pads).workspace_bytes(size_of(compute)), 0};
  }

  template <class T>
  static void run(const Attributes& attributes, const Context<T>& context) {
    const Shape &x = context.out_shape(0), &y = context.in_shape(0);
    const Pads pads(x.rank(), KnownElements(context.in_type(2)), KnownElements(context.in_type(3)));
    const auto fill = [&](int dim, AxisTaps<T>& taps) {
      const Source source(attributes.mode, x[dim], pads.dims[static_cast<size_t>(dim)]);
      for (int64_t i = 0; i < y[dim]; ++i) {
        if (const int64_t place = source(i); place >= 0) taps.add(place, T(1));
        taps.end_row();
      }
    };
    maps(x, y, pads).template run<T>(fill, T(0), context.workspace(), context.in(0), context.out(0));
  }
};

}  // namespace

PLEAT_OP(PadOp)
PLEAT_OP(PadGradientOp)

}  // namespace pleat
