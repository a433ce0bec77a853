// fold_constants: what does not depend on an input is computed now, in double; so is what depends only on
// sizes that are the same for any input.
//   Before: w = f(constants),  y = conv(x, w)     (weight standardisation: a batch norm of a weight)
//   After:  y = conv(x, w'), w' constant; f64 where all its readers take that, else rounded once

#include <algorithm>

#include "graph/edit.hpp"
#include "ops/evaluate.hpp"
#include "ops/known.hpp"
#include "passes/affine.hpp"
#include "passes/pass.hpp"

namespace pleat {
namespace {

// A constant may grow (Expand, Tile) this much, over one node and over all; what is larger is cheaper to make
// when it is needed.
constexpr int64_t kMostGrowth = 4, kSmall = 4096;

int64_t most_elements(int64_t from) {
  return std::max(kSmall, kMostGrowth * from);
}

// `most`: elements of a result.
bool foldable(const GraphData& graph, const Node& node, int64_t most) {
  const OpDef& op = definition(node.attributes);
  if (op.run_f32 == nullptr && !op.is_view) return false;
  if (op.mutated != nullptr) {
    for (int i : op.mutated(node.attributes)) {
      if (input_of(node, static_cast<size_t>(i)) != kAbsent) return false;
    }
  }
  int64_t in = 0;
  for (ValueId input : node.inputs) {
    if (input == kAbsent) continue;
    if (!is_constant(graph, input)) return false;
    in += graph.value(input).type.shape.numel();
  }
  if (in == 0) return false;
  return std::all_of(node.outputs.begin(), node.outputs.end(), [&](ValueId output) {
    if (is_output(graph, output)) return false;
    const Shape& shape = graph.value(output).type.shape;
    return shape.is_static() && shape.numel() <= std::min(most, most_elements(in));
  });
}

// Whether shapes tell every element of what the node makes.
bool is_known(const GraphData& graph, const Node& node) {
  return std::all_of(node.outputs.begin(), node.outputs.end(), [&](ValueId output) {
    return pleat::is_known(&graph.value(output).type) && !is_output(graph, output);
  });
}

// In double, unless the op itself asks for f32 (Cast).
DType precision(const GraphData& graph, const Node& node) {
  std::vector<ValueType> types;
  types.reserve(node.inputs.size());
  InputTypes in;
  for (ValueId input : node.inputs) {
    if (input == kAbsent) {
      in.push_back(nullptr);
      continue;
    }
    types.push_back(graph.value(input).type);
    if (types.back().dtype == DType::f32) types.back().dtype = DType::f64;
    in.push_back(&types.back());
  }
  for (const ValueType& type : definition(node.attributes).infer(node.attributes, in)) {
    if (type.dtype == DType::f32) return DType::f32;
  }
  return DType::f64;
}

std::vector<Tensor> compute(const GraphData& graph, const Node& node) {
  const DType dtype = precision(graph, node);
  std::vector<Tensor> tensors;
  tensors.reserve(node.inputs.size());
  std::vector<const Tensor*> operands;
  for (ValueId input : node.inputs) {
    if (input == kAbsent) {
      operands.push_back(nullptr);
      continue;
    }
    const Tensor& data = graph.value(input).data;
    const bool is_float = data.dtype() == DType::f32 || data.dtype() == DType::f64;
    tensors.push_back(is_float && data.dtype() != dtype ? data.to(dtype) : data);
    operands.push_back(&tensors.back());
  }
  return evaluate(node.attributes, operands);
}

// Whether every reader makes of an f64 constant what it makes of an f32 one.
bool may_stay_double(const GraphData& graph, ValueId value) {
  const std::vector<NodeId> readers = users(graph, value);
  return std::all_of(readers.begin(), readers.end(), [&](NodeId id) {
    const Node& reader = graph.node(id);
    try {
      const std::vector<ValueType> types = infer_types(graph, reader);
      for (size_t i = 0; i < types.size(); ++i) {
        if (types[i] != graph.value(reader.outputs[i]).type) return false;
      }
      return true;
    } catch (const Error&) {
      return false;
    }
  });
}

void become_constant(ValueInfo& value, Tensor data) {
  value.kind = ValueKind::constant;
  value.producer = -1;
  value.type = {data.dtype(), data.shape(), known_value(data)};
  value.data = std::move(data);
}

void run(GraphData& graph, PassContext& context) {
  std::vector<ValueId> made;
  int64_t given = 0;
  for (const ValueInfo& value : graph.values) {
    if (value.kind == ValueKind::constant) given += value.type.shape.numel();
  }
  for (Node& node : graph.nodes) {
    std::vector<Tensor> results;
    if (foldable(graph, node, most_elements(given))) {
      results = compute(graph, node);
    } else if (is_known(graph, node)) {
      for (const ValueId output : node.outputs) results.push_back(graph.value(output).type.known->values);
    } else {
      continue;
    }
    if (std::holds_alternative<ops::BatchNorm>(node.attributes)) {
      const std::string constant = graph.value(node.inputs[0]).name;
      context.report.entries.push_back(
          {node.name, true, constant, "computed now: all that it reads is constant"});
    }
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      become_constant(graph.value(node.outputs[i]), results[i]);
      made.push_back(node.outputs[i]);
    }
    node.inputs.clear();
    node.outputs.clear();
  }
  tidy(graph);
  for (ValueId value : made) {
    ValueInfo& info = graph.value(value);
    if (info.type.dtype == DType::f64 && !may_stay_double(graph, value))
      become_constant(info, info.data.to(DType::f32));
  }
}

}  // namespace

const Pass kFoldConstants = {"fold_constants", run};

}  // namespace pleat
