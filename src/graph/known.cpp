#include "graph/known.hpp"

#include <algorithm>

#include "ops/evaluate.hpp"
#include "ops/known.hpp"

namespace pleat {
namespace {

bool present(const ValueType* type) {
  return type != nullptr;
}

bool small(const ValueType& type) {
  return type.shape.is_static() && type.shape.numel() <= kMostKnown;
}

std::vector<const Tensor*> values_of(const InputTypes& in) {
  std::vector<const Tensor*> values;
  for (const ValueType* type : in) values.push_back(type ? &type->known->values : nullptr);
  return values;
}

// Which of an input's elements are unknown.
Tensor unknown_of(const ValueType& type) {
  const KnownValue& known = *type.known;
  return known.unknown.defined() ? known.unknown : Tensor(type.shape, DType::boolean);
}

// An element is unknown where one that it comes from is.
Tensor unknown_of_elementwise(const InputTypes& in) {
  Tensor all = unknown_of(*in[0]);
  for (size_t i = 1; i < in.size(); ++i) {
    if (!in[i]) continue;
    const Tensor next = unknown_of(*in[i]);
    all = evaluate(ops::Binary{ops::BinaryKind::logical_or}, {&all, &next})[0];
  }
  return all;
}

// The op moves elements: it moves the marks alike.
std::vector<Tensor> unknown_of_moved(const ops::Attributes& attributes, const InputTypes& in) {
  const bool all_are_data = std::holds_alternative<ops::Concat>(attributes);
  std::vector<Tensor> marks;
  marks.reserve(in.size());
  std::vector<const Tensor*> operands = values_of(in);
  for (size_t i = 0; i < in.size(); ++i) {
    if (!in[i] || (i > 0 && !all_are_data)) continue;
    marks.push_back(unknown_of(*in[i]));
    operands[i] = &marks.back();
  }
  return evaluate(attributes, operands);
}

bool fully_known(const InputTypes& in) {
  return std::all_of(in.begin(), in.end(), [](const ValueType* type) { return !type || is_known(type); });
}

// Whether marks of unknown elements can be followed through: data may be partly known, the rest must be
// known.
bool partly_known(const OpDef& op, const ops::Attributes& attributes, const InputTypes& in) {
  if (op.known_rule == KnownRule::all_or_nothing) return false;
  const bool all_are_data =
      op.known_rule == KnownRule::elementwise || std::holds_alternative<ops::Concat>(attributes);
  for (size_t i = 0; i < in.size(); ++i) {
    if (!in[i]) continue;
    if (i == 0 || all_are_data ? in[i]->known == nullptr : !is_known(in[i])) return false;
  }
  return true;
}

}  // namespace

void infer_known(const ops::Attributes& attributes, const InputTypes& in, std::vector<ValueType>& out) {
  const OpDef& op = definition(attributes);
  for (ValueType& type : out) type.known = nullptr;  // inference may have copied an input's
  if (op.known != nullptr) {
    out[0].known = std::make_shared<const KnownValue>(op.known(attributes, in));
    return;
  }
  const bool runs = (op.run_f32 != nullptr || op.is_view) && op.mutated == nullptr;
  if (!runs || out.empty() || !std::any_of(in.begin(), in.end(), present) ||
      !std::all_of(out.begin(), out.end(), small)) {
    return;
  }
  std::vector<Tensor> values, unknown;
  if (fully_known(in)) {
    values = evaluate(attributes, values_of(in));
  } else if (partly_known(op, attributes, in)) {
    values = evaluate(attributes, values_of(in));
    unknown = op.known_rule == KnownRule::moves ? unknown_of_moved(attributes, in)
                                                : std::vector<Tensor>{unknown_of_elementwise(in)};
  }
  for (size_t i = 0; i < values.size(); ++i) {
    KnownValue known{values[i]};
    if (i < unknown.size()) {
      const bool* marks = std::as_const(unknown[i]).data<bool>();
      if (std::count(marks, marks + unknown[i].numel(), true) > 0) known.unknown = unknown[i];
    }
    out[i].known = std::make_shared<const KnownValue>(std::move(known));
  }
}

std::vector<bool> inputs_that_shape(const GraphData& graph) {
  std::vector<bool> shapes(graph.values.size(), false);
  for (size_t n = graph.nodes.size(); n-- > 0;) {
    const Node& node = graph.nodes[n];
    const OpDef& op = definition(node.attributes);
    const auto mark = [&](size_t i) {
      if (i < node.inputs.size() && node.inputs[i] != kAbsent) {
        shapes[static_cast<size_t>(node.inputs[i])] = true;
      }
    };
    const bool shaping = std::any_of(node.outputs.begin(), node.outputs.end(),
                                     [&](ValueId output) { return shapes[static_cast<size_t>(output)]; });
    if (op.shape_inputs != nullptr) {
      for (int i : op.shape_inputs(node.attributes)) mark(static_cast<size_t>(i));
    }
    if (!shaping || op.known != nullptr) continue;  // a shape's elements do not depend on its input's
    for (size_t i = 0; i < node.inputs.size(); ++i) mark(i);
  }
  std::vector<bool> inputs;
  for (ValueId input : graph.inputs) inputs.push_back(shapes[static_cast<size_t>(input)]);
  return inputs;
}

}  // namespace pleat
