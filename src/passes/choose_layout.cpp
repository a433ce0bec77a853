// choose_layout: what convolutions compute in runs channels last, (N, H, W, C), from the first convolution on
// for as long as each step has such a form; where one has none, its inputs are transposed back.
//   Before: y = conv(x), z = max_pool(y)             After: y' = conv_channels_last(transpose(x)),
//   z' = max_pool_channels_last(y'), z = transpose(z')
//   Before: y = depthwise_conv(conv_1x1(x))          After: y' = expand_depthwise_channels_last(x')
//   Before: y = scale_shift(concat(a, b))            After: y' = concat_scale_shift_channels_last(a', b')
// The step in the place of each node keeps its name and its value, which is now in the other order.
// choose_training_layout: the same of a graph that is still to be differentiated, its weights parameters.

#include <algorithm>

#include "graph/edit.hpp"
#include "ops/evaluate.hpp"
#include "ops/known.hpp"
#include "passes/affine.hpp"
#include "passes/pass.hpp"

namespace pleat {
namespace {

const std::vector<int64_t> kToLast = {0, 2, 3, 1}, kToFirst = {0, 3, 1, 2};
constexpr int64_t kFewChannels = 4, kShortSum = 64, kFewTaps = 49;

class Layout {
 public:
  Layout(GraphData& graph, bool precise, bool trains)
      : graph_(graph), states_(graph.values.size()), precise_(precise), trains_(trains) {}

  void run() {
    const size_t count = graph_.nodes.size();  // those that the pass appends are right as they are
    for (size_t i = 0; i < count; ++i) {
      const auto id = static_cast<NodeId>(i);
      if (is_bypassed(graph_.node(id)) || convert(id)) continue;
      for (size_t k = 0; k < graph_.node(id).inputs.size(); ++k) {
        const ValueId plain = first(graph_.node(id).inputs[k]);
        graph_.node(id).inputs[k] = plain;
      }
    }
    for (ValueId& output : graph_.outputs) output = first(output);
    tidy(graph_);
  }

 private:
  // Whether a value is channels last now; its copy in the other order, where one was needed.
  struct State {
    bool last = false;
    ValueId copy = kAbsent;
  };
  State& state(ValueId value) {
    if (static_cast<size_t>(value) >= states_.size()) states_.resize(graph_.values.size());
    return states_[static_cast<size_t>(value)];
  }
  bool is_last(ValueId value) { return value != kAbsent && state(value).last; }
  const Shape& shape(ValueId value) const { return graph_.value(value).type.shape; }

  ValueId transposed(ValueId value, const std::vector<int64_t>& order, const char* suffix) {
    if (state(value).copy == kAbsent) {
      const ValueId copy = compute(graph_.value(value).name + suffix, ops::Transpose{order}, {value});
      state(value).copy = copy;
    }
    return state(value).copy;
  }
  // op(inputs): a constant where these are, else a node.
  ValueId compute(const std::string& name, const ops::Attributes& op, const std::vector<ValueId>& inputs) {
    std::vector<const Tensor*> operands;
    for (const ValueId input : inputs) {
      if (graph_.value(input).kind != ValueKind::constant) return add_node(graph_, name, op, inputs)[0];
      operands.push_back(&graph_.value(input).data);
    }
    return add_constant(graph_, name, evaluate(op, operands)[0]);
  }
  ValueId first(ValueId value) { return is_last(value) ? transposed(value, kToFirst, ".nchw") : value; }
  ValueId last(ValueId value) { return is_last(value) ? value : transposed(value, kToLast, ".nhwc"); }

  // The node's results are channels last from here on.
  bool done(NodeId id) {
    const std::vector<ValueType> types = infer_types(graph_, graph_.node(id));
    for (size_t i = 0; i < types.size(); ++i) {
      const ValueId output = graph_.node(id).outputs[i];
      graph_.value(output).type = types[i];
      state(output).last = true;
    }
    return true;
  }
  bool become(NodeId id, ops::Attributes attributes, std::vector<ValueId> inputs) {
    graph_.node(id).attributes = std::move(attributes);
    graph_.node(id).inputs = std::move(inputs);
    return done(id);
  }

  // The value that a node makes in place of `id`'s only output; tidy() drops `id`.
  bool replace(NodeId id, ValueId value) {
    bypass(graph_, graph_.node(id), value);
    return true;
  }

  bool convert(NodeId id) {
    const ops::Attributes attributes = graph_.node(id).attributes;
    return std::visit([&](const auto& op) { return convert(id, op); },
                      static_cast<const ops::AnyOp&>(attributes));
  }

  template <class Op>
  bool convert(NodeId, const Op&) {
    return false;
  }

  bool convert(NodeId id, const ops::Conv& conv) {
    const Node& node = graph_.node(id);
    const ValueId x = node.inputs[0], weight = node.inputs[1], bias = input_of(node, 2);
    if (shape(x).rank() != 4 || (!trains_ && graph_.value(weight).kind != ValueKind::constant) ||
        input_of(node, 4) != kAbsent) {
      return false;
    }
    if (!trains_ && joins_expansion(id, conv)) return true;
    ValueId residual = input_of(node, 3);
    ops::ConvChannelsLast moved{conv.window, conv.groups, conv.epilogue, precise_};
    moved.trains = trains_;
    moved.planar = !trains_ && !is_last(x) && conv.groups == 1 && shape(x)[1] <= kFewChannels;
    const ValueId from = moved.planar ? x : last(x);
    if (residual != kAbsent) residual = last(residual);
    return become(id, moved, {from, weight, bias, residual});
  }

  // A depthwise convolution takes in one of single pixels that nothing else reads: what lies between is the
  // largest image of an inverted residual block.
  bool joins_expansion(NodeId id, const ops::Conv& depthwise) {
    const std::vector<ValueId> inputs = graph_.node(id).inputs;
    const Shape& weight = shape(inputs[1]);
    const NodeId producer = graph_.value(inputs[0]).producer;
    if (producer < 0 || weight[0] != depthwise.groups || weight[1] != 1 || weight.product(2, 4) > kFewTaps ||
        input_of(graph_.node(id), 3) != kAbsent || only_user(inputs[0]) == nullptr) {
      return false;
    }
    const Node& before = graph_.node(producer);
    const auto* expand = std::get_if<ops::ConvChannelsLast>(&before.attributes);
    if (expand == nullptr || expand->groups != 1 || expand->planar || input_of(before, 3) != kAbsent ||
        !expand->window.is_pointwise() || shape(before.inputs[1])[0] != depthwise.groups) {
      return false;
    }
    return become(
        id, ops::ExpandDepthwiseChannelsLast{expand->epilogue, depthwise.window, depthwise.epilogue},
        {before.inputs[0], before.inputs[1], input_of(before, 2), inputs[1], input_of(graph_.node(id), 2)});
  }

  bool convert(NodeId id, const ops::MaxPool& pool) {
    const ValueId x = graph_.node(id).inputs[0];
    if (!is_last(x) || pool.with_indices) return false;
    return become(id, ops::MaxPoolChannelsLast{pool.window, pool.ceil_mode}, {x});
  }
  bool convert(NodeId id, const ops::AvgPool& pool) {
    const ValueId x = graph_.node(id).inputs[0];
    if (!is_last(x)) return false;
    return become(id, ops::AvgPoolChannelsLast{pool.window, pool.count_include_pad, pool.ceil_mode}, {x});
  }

  // Sums so short that their results cost more to write and read again than to compute.
  bool averages_itself(ValueId x) {
    const NodeId producer = graph_.value(x).producer;
    if (producer < 0 || only_user(x) == nullptr) return false;
    auto* conv = std::get_if<ops::ConvChannelsLast>(&graph_.node(producer).attributes);
    if (conv == nullptr || conv->groups != 1 || input_of(graph_.node(producer), 3) != kAbsent) return false;
    const Shape& weight = shape(graph_.node(producer).inputs[1]);
    if (weight.product(1, 4) > kShortSum) return false;
    conv->global_average = true;
    return done(producer);
  }

  bool global_average(NodeId id, bool keep_dims) {
    const ValueId x = graph_.node(id).inputs[0];
    if (!trains_ && averages_itself(x)) {
      if (keep_dims) return replace(id, x);
      return replace(id, add_node(graph_, graph_.node(id).name, ops::Flatten{}, {x})[0]);
    }
    if (keep_dims) return become(id, ops::GlobalAvgPoolChannelsLast{}, {x});
    const std::string name = graph_.node(id).name;
    const ValueId mean = add_node(graph_, name + ".nhwc", ops::GlobalAvgPoolChannelsLast{}, {x})[0];
    return replace(id, add_node(graph_, name, ops::Flatten{}, {mean})[0]);
  }
  bool convert(NodeId id, const ops::GlobalAvgPool& pool) {
    return is_last(graph_.node(id).inputs[0]) && global_average(id, pool.keep_dims);
  }
  bool convert(NodeId id, const ops::Reduce& reduce) {
    const Node& node = graph_.node(id);
    const ValueId axes = input_of(node, 1);
    if (reduce.kind != ops::ReduceKind::mean || !is_last(node.inputs[0]) || axes == kAbsent) return false;
    auto dims = known_integers(&graph_.value(axes).type, "axes");
    if (!dims) return false;
    for (int64_t& dim : *dims) dim += dim < 0 ? 4 : 0;
    std::sort(dims->begin(), dims->end());
    return *dims == std::vector<int64_t>{2, 3} && global_average(id, reduce.keep_dims);
  }

  bool convert(NodeId id, const ops::BatchNorm& batch_norm) {
    constexpr size_t kResidual = 6;
    const Node& node = graph_.node(id);
    std::vector<ValueId> inputs = node.inputs;
    if (!is_last(inputs[0])) return false;
    if (const ValueId residual = input_of(node, kResidual); residual != kAbsent)
      inputs[kResidual] = last(residual);
    ops::BatchNorm moved = batch_norm;
    moved.channels_last = true;
    become(id, moved, inputs);
    state(graph_.node(id).outputs[1]).last = false;  // what is saved has no layout
    return true;
  }

  // Elementwise steps: the same in any order.
  bool pointwise(NodeId id) { return is_last(graph_.node(id).inputs[0]) && done(id); }
  bool convert(NodeId id, const ops::Activate&) { return pointwise(id); }
  bool convert(NodeId id, const ops::Unary&) { return pointwise(id); }

  bool any_last(const std::vector<ValueId>& values) {
    return std::any_of(values.begin(), values.end(), [&](ValueId value) { return is_last(value); });
  }
  std::vector<ValueId> all_last(std::vector<ValueId> values) {
    for (ValueId& value : values) value = last(value);
    return values;
  }
  bool convert(NodeId id, const ops::Add& add) {
    const std::vector<ValueId> inputs = graph_.node(id).inputs;
    return any_last(inputs) && become(id, add, all_last(inputs));
  }
  bool convert(NodeId id, const ops::Concat& concat) {
    const std::vector<ValueId> inputs = graph_.node(id).inputs;
    return any_last(inputs) && become(id, ops::Concat{last_dim(concat.dim)}, all_last(inputs));
  }
  bool convert(NodeId id, const ops::Binary& binary) {
    std::vector<ValueId> inputs = graph_.node(id).inputs;
    if (!any_last(inputs)) return false;
    for (const ValueId input : inputs) {
      const bool constant = graph_.value(input).kind == ValueKind::constant;
      if (!constant && shape(input).rank() != 4) return false;
    }
    for (ValueId& input : inputs) {
      if (shape(input).rank() == 4) {
        input = last(input);
      } else if (shape(input).numel() != 1) {  // (C, 1, 1) is broadcast as (1, C, 1, 1)
        Shape whole(std::vector<int64_t>(static_cast<size_t>(4 - shape(input).rank()), 1));
        for (int d = 0; d < shape(input).rank(); ++d) whole.push_back(shape(input)[d]);
        const std::string name = graph_.value(input).name;
        const ValueId to = add_constant(graph_, name + ".shape", shape_constant(whole));
        input = last(compute(name + ".4d", ops::Reshape{}, {input, to}));
      }
    }
    return become(id, binary, inputs);
  }
  bool convert(NodeId id, const ops::ScaleShift& scale_shift) {
    const Node& node = graph_.node(id);
    std::vector<ValueId> inputs = node.inputs;
    if (!is_last(inputs[0])) return false;
    if (joins_concat(id, scale_shift)) return true;
    if (const ValueId residual = input_of(node, 4); residual != kAbsent) inputs[4] = last(residual);
    ops::ScaleShift moved = scale_shift;
    moved.dim = last_dim(scale_shift.dim);
    return become(id, moved, inputs);
  }
  // What is joined for a batch norm alone is normalized as it is joined.
  bool joins_concat(NodeId id, const ops::ScaleShift& scale_shift) {
    const Node& node = graph_.node(id);
    const NodeId producer = graph_.value(node.inputs[0]).producer;
    if (producer < 0 || last_dim(scale_shift.dim) != 3 || input_of(node, 4) != kAbsent) return false;
    const Node& before = graph_.node(producer);
    const auto* concat = std::get_if<ops::Concat>(&before.attributes);
    if (concat == nullptr || concat->dim != 3 || only_user(node.inputs[0]) == nullptr) return false;
    std::vector<ValueId> inputs(node.inputs.begin() + 1, node.inputs.begin() + 4);
    if (std::ranges::count(inputs, kAbsent) > 0) return false;
    inputs.insert(inputs.end(), before.inputs.begin(), before.inputs.end());
    return become(id, ops::ConcatScaleShiftChannelsLast{scale_shift.activation, scale_shift.alpha}, inputs);
  }
  bool convert(NodeId id, const ops::Split& split) {
    if (!is_last(graph_.node(id).inputs[0])) return false;
    const std::vector<ValueId> inputs = graph_.node(id).inputs;
    return become(id, ops::Split{last_dim(split.dim), split.parts}, inputs);
  }
  bool convert(NodeId id, const ops::Slice& slice) {
    if (!is_last(graph_.node(id).inputs[0])) return false;
    const std::vector<ValueId> inputs = graph_.node(id).inputs;
    return become(id, ops::Slice{last_dim(slice.dim), slice.begin, slice.end}, inputs);
  }

  // The integers of a constant or known input, none where it is absent; nullopt where they are not known.
  std::optional<std::vector<int64_t>> integers(ValueId value) {
    if (value == kAbsent) return std::vector<int64_t>{};
    return known_integers(&graph_.value(value).type, "");
  }
  ValueId integer_constant(NodeId id, const char* name, const std::vector<int64_t>& values) {
    const std::string full = graph_.node(id).name + name;
    return add_constant(graph_, full, Tensor::from({static_cast<int64_t>(values.size())}, values));
  }
  bool convert(NodeId id, const ops::StridedSlice& slice) {
    std::vector<ValueId> inputs = graph_.node(id).inputs;
    auto axes = integers(input_of(graph_.node(id), 3));
    if (!is_last(inputs[0]) || !axes || axes->empty()) return false;
    for (int64_t& axis : *axes) axis = last_dim(axis);
    inputs[3] = integer_constant(id, ".axes", *axes);
    return become(id, slice, inputs);
  }
  bool convert(NodeId id, const ops::Pad& pad) {
    std::vector<ValueId> inputs = graph_.node(id).inputs;
    const auto pads = integers(inputs[1]);
    if (!is_last(inputs[0]) || !pads || pads->size() != 8 || input_of(graph_.node(id), 3) != kAbsent)
      return false;
    std::vector<int64_t> moved(8);
    for (size_t d = 0; d < 4; ++d) {
      const auto to = static_cast<size_t>(last_dim(static_cast<int64_t>(d)));
      moved[to] = (*pads)[d];
      moved[to + 4] = (*pads)[d + 4];
    }
    inputs[1] = integer_constant(id, ".pads", moved);
    return become(id, pad, inputs);
  }

  // A channel shuffle: (N, C, H, W) seen as (N, g, C/g, H, W), these two swapped, and seen as before.
  bool convert(NodeId id, const ops::Reshape&) {
    const Node& node = graph_.node(id);
    const ValueId x = node.inputs[0], apart = node.outputs[0];
    if (!is_last(x) || shape(apart).rank() != 5) return false;
    const Node* swap = only_user(apart);
    if (swap == nullptr) return false;
    const auto* transpose = std::get_if<ops::Transpose>(&swap->attributes);
    if (transpose == nullptr || transpose->order != std::vector<int64_t>{0, 2, 1, 3, 4}) return false;
    const Node* join = only_user(swap->outputs[0]);
    if (join == nullptr || !std::holds_alternative<ops::Reshape>(join->attributes)) return false;
    const ValueId y = join->outputs[0];
    const Shape &given = shape(x), &split = shape(apart);  // (N, H, W, C), (N, g, C/g, H, W)
    const auto same = [](int64_t a, int64_t b) { return a != kDynamic && a == b; };
    if (!same(split[1] * split[2], given[3]) || !same(split[3], given[1]) || !same(split[4], given[2]) ||
        shape(y).rank() != 4 || !same(shape(y)[1], given[3]) || !same(shape(y)[2], given[1]) ||
        !same(shape(y)[3], given[2])) {
      return false;
    }
    const std::string name = join->name;
    const auto reshape = [&](const std::string& part, ValueId from, const Shape& to) {
      const ValueId sizes = add_constant(graph_, part + ".shape", shape_constant(to));
      return add_node(graph_, part, ops::Reshape{}, {from, sizes})[0];
    };
    const int64_t groups = split[1], each = split[2], channels = groups * each;
    const ValueId parts = reshape(name + ".parts", x, {0, 0, 0, groups, each});
    const ValueId swapped = add_node(graph_, name + ".swap", ops::Transpose{{0, 1, 2, 4, 3}}, {parts})[0];
    const ValueId joined = reshape(name + ".nhwc", swapped, {0, 0, 0, channels});
    state(joined).last = true;
    replace_uses(graph_, y, joined);
    // Nothing reads the three nodes any more.
    for (const NodeId gone : {graph_.value(y).producer, users(graph_, apart)[0], id}) {
      graph_.node(gone).inputs.clear();
    }
    return true;
  }

  const Node* only_user(ValueId value) {
    const std::vector<NodeId> readers = users(graph_, value);
    return readers.size() == 1 && !is_output(graph_, value) ? &graph_.node(readers[0]) : nullptr;
  }

  static int64_t last_dim(int64_t dim) {
    constexpr int64_t kPlace[] = {0, 3, 1, 2};
    return kPlace[dim < 0 ? dim + 4 : dim];
  }
  static Tensor shape_constant(const Shape& shape) {
    std::vector<int64_t> sizes;
    for (int d = 0; d < shape.rank(); ++d) sizes.push_back(shape[d]);
    return Tensor::from({shape.rank()}, sizes);
  }

  GraphData& graph_;
  std::vector<State> states_;
  bool precise_, trains_;
};

void run(GraphData& graph, PassContext& context) {
  Layout(graph, context.precise, /*trains=*/false).run();
}
void run_training(GraphData& graph, PassContext& context) {
  Layout(graph, context.precise, /*trains=*/true).run();
}

}  // namespace

const Pass kChooseLayout = {"choose_layout", run};
const Pass kChooseTrainingLayout = {"choose_training_layout", run_training};

}  // namespace pleat
