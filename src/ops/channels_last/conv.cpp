// y = act(conv(x, weight) + bias + residual) as Conv's, of channels-last data, by the algorithm that costs
// least.

#include "base/format.hpp"
#include "ops/channels_last/algorithms.hpp"
#include "ops/channels_last/moments.hpp"
#include "ops/channels_last/plane_means.hpp"
#include "ops/window.hpp"

namespace pleat {
namespace {

void check_gate(const ops::ConvChannelsLast& attributes, const InputTypes& in) {
  if (attributes.groups != 1 || attributes.planar || attributes.trains || attributes.normalizes) {
    fail("conv: only a constant weight of one group can take a gate");
  }
  Shape needed = in[0]->shape;
  needed[1] = needed[2] = 1;
  Shape one = needed;
  one[0] = 1;
  const ValueType* gate = in.size() > 4 ? in[4] : nullptr;
  if (gate == nullptr || (gate->shape != needed && gate->shape != one)) {
    fail("conv: needs a gate of ", needed.str(), ", got ", gate ? gate->shape.str() : "none");
  }
}

struct ConvChannelsLastOp {
  using Attributes = ops::ConvChannelsLast;
  static constexpr std::string_view name = "conv_channels_last";
  static constexpr bool packed_only = true;

  static std::vector<ValueType> infer(const Attributes& attributes, const InputTypes& in) {
    const Shape x = attributes.planar ? in[0]->shape : channels_first(in[0]->shape);
    Shape y = channels_last(conv_output(attributes.window, attributes.groups, x, in[1]->shape));
    if (in.size() > 2 && in[2] != nullptr && in[2]->shape != Shape{y[3]}) {
      fail("conv: needs a bias of ", Shape{y[3]}.str(), ", got ", in[2]->shape.str());
    }
    if (in.size() > 3 && in[3] != nullptr && in[3]->shape != y) {
      fail("conv: needs a residual of ", y.str(), ", got ", in[3]->shape.str());
    }
    if (attributes.gated) check_gate(attributes, in);
    if (attributes.global_average) y[1] = y[2] = 1;
    if (attributes.moments) return {{in[0]->dtype, y}, {in[0]->dtype, {kMomentRows, y[3]}}};
    if (attributes.means) {
      if (attributes.groups != y[3] || in[1]->shape[1] != 1) fail("conv: only a depthwise one gives means");
      return {{in[0]->dtype, y}, {in[0]->dtype, {y[0], 1, 1, y[3]}}};
    }
    return {{in[0]->dtype, y}};
  }

  static ConvShape sizes(const Attributes& attributes, const Shape& x, const Shape& weight) {
    const std::array<int64_t, 2> plane = attributes.planar ? spatial_sizes(x) : plane_of(x);
    return conv_shape(attributes.window, attributes.groups, x[0], plane, weight);
  }
  static ConvAlgorithm algorithm(const Attributes& attributes, const Shape& x, const Shape& weight,
                                 int64_t nr) {
    return choose_algorithm(sizes(attributes, x, weight), attributes, nr);
  }
  static ConvAlgorithm algorithm(const Attributes& attributes, const InputTypes& in, DType compute) {
    return algorithm(attributes, in[0]->shape, in[1]->shape, panel_columns(compute));
  }

  // Shared: the algorithm's, with its packed weights where these train; then the sums of parts.
  static Workspace workspace(const Attributes& attributes, const InputTypes& in, DType compute) {
    const ConvAlgorithm a = algorithm(attributes, in, compute);
    Workspace need = algorithm_workspace(attributes, a, size_of(compute));
    const int64_t channels = in[1]->shape[0], parts = sum_parts(a);
    if (attributes.moments || attributes.means) need.shared = whole_lines(need.shared);
    if (attributes.moments) need.shared += MomentParts<double>::bytes(parts, channels);
    if (attributes.means) need.shared += PlaneMeans<double>::bytes(parts, channels);
    return need;
  }
  static size_t packed_bytes(const Attributes& attributes, const InputTypes& in, DType compute) {
    return attributes.trains ? 0 : pleat::packed_bytes(algorithm(attributes, in, compute), size_of(compute));
  }
  template <class T>
  static void pack(const Attributes& attributes, const Context<T>& context, T* packed) {
    const Shape &x = context.in_shape(0), &weight = context.in_shape(1);
    const FilterView<T> filter = filter_view(sizes(attributes, x, weight), context.in(1));
    std::visit([&](const auto& a) { a.pack(context.kernels, filter, packed); },
               algorithm(attributes, x, weight, context.kernels.gemm.nr));
  }

  template <class T>
  static void run(const Attributes& attributes, const Context<T>& context) {
    const Shape &x = context.in_shape(0), &weight = context.in_shape(1);
    const ConvAlgorithm chosen = algorithm(attributes, x, weight, context.kernels.gemm.nr);
    const T* packed = context.packed();
    if (attributes.trains) {
      packed = pack_in_run(chosen, context, filter_view(sizes(attributes, x, weight), context.in(1)));
    }
    const NormalizedLoad<T> load(context, attributes.normalizes, 4);
    const auto memory = [&]() -> void* {  // of the sums
      const size_t used = whole_lines(algorithm_workspace(attributes, chosen, sizeof(T)).shared);
      return context.template workspace<std::byte>() + used;
    };
    std::optional<MomentParts<T>> moments;
    std::optional<PlaneMeans<T>> means;
    const OutputSums<T>* sums = nullptr;
    if (attributes.moments) {
      sums = &moments.emplace(context.kernels, context.out(0), sum_parts(chosen), weight[0], memory());
    }
    if (attributes.means) {
      sums = &means.emplace(context.kernels, context.out(0), sum_parts(chosen), weight[0], memory());
    }
    const ConvOperands<T> operands = {.x = context.in(0),
                                      .packed = packed,
                                      .bias = context.in(2),
                                      .residual = context.in(3),
                                      .y = context.out(0),
                                      .epilogue = attributes.epilogue,
                                      .load = &load,
                                      .sums = sums,
                                      .gate = attributes.gated ? context.in(4) : nullptr,
                                      .gates = attributes.gated ? context.in_shape(4)[0] : 0};
    std::visit([&](const auto& a) { a.run(context, operands); }, chosen);
    if (moments) moments->join(context.out(1));
    if (means) means->join(context, x[0], context.out_shape(0).product(1, 3), context.out(1));
  }

  static void gradient(const Attributes& attributes, GradientScope& scope) {
    if (!attributes.trains || attributes.epilogue.activation != Activation::none ||
        scope.input(3) != kAbsent) {
      fail(
          "conv: a constant weight, a fused activation or residual has no gradient; fuse after "
          "differentiating");
    }
    const ValueId x = scope.input(0), weight = scope.input(1), dy = scope.output_gradient(0);
    const ops::Window& window = attributes.window;
    if (scope.wants(0)) {
      const ops::ConvChannelsLastInputGradient rule{window, attributes.groups, attributes.precise};
      scope.set_input_gradient(0, scope.emit(rule, {weight, dy, x})[0]);
    }
    if (scope.wants(1)) {
      const ops::ConvChannelsLastWeightGradient rule{window, attributes.groups, attributes.precise};
      scope.set_input_gradient(1, scope.emit(rule, {x, dy, weight})[0]);
    }
    if (scope.wants(2)) {
      scope.set_input_gradient(2, scope.emit(ops::BiasGradient{3}, {dy})[0]);
    }
  }

  static int64_t multiply_adds(const Attributes& attributes, const InputTypes& in) {
    return sizes(attributes, in[0]->shape, in[1]->shape).multiply_adds();
  }
  static double work(const Attributes& attributes, const InputTypes& in) {
    return static_cast<double>(multiply_adds(attributes, in)) / 16;
  }

 private:
  static Workspace algorithm_workspace(const Attributes& attributes, const ConvAlgorithm& a, size_t element) {
    return attributes.trains ? packing_workspace(a, element) : workspace_of(a, element);
  }
  static int64_t sum_parts(const ConvAlgorithm& algorithm) {
    return std::visit([](const auto& a) { return a.sum_parts(); }, algorithm);
  }
};

}  // namespace

PLEAT_OP(ConvChannelsLastOp)

}  // namespace pleat
