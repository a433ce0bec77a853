#include "formats/onnx/node_import.hpp"

#include "base/format.hpp"

namespace pleat::formats {

NodeImport::NodeImport(const onnx::NodeProto& node, int opset, GraphImport& graph)
    : NodeView(node, opset), node_(node), graph_(graph) {}

bool NodeImport::has(int input) const {
  return input < input_count() && !node_.input(input).empty();
}

bool NodeImport::wants(int output) const {
  return output < output_count() && graph_.is_read(node_.output(output));
}

ValueId NodeImport::in(int input) {
  if (!has(input)) fail("its input ", input, " is missing");
  return graph_.value(node_.input(input));
}

ValueId NodeImport::parameter(int input) {
  return has(input) ? graph_.parameter(node_.input(input)) : kAbsent;
}

ValueId NodeImport::statistic(int input) {
  return has(input) ? graph_.statistic(node_.input(input)) : kAbsent;
}

ValueId NodeImport::derived_parameter(int input, const std::string& form,
                                      const std::function<Tensor()>& make) {
  return graph_.derived_parameter(node_.input(input), form, make);
}

std::optional<Tensor> NodeImport::known(int input) {
  return has(input) ? graph_.known(node_.input(input)) : std::nullopt;
}

Tensor NodeImport::constant(int input, const char* what) {
  std::optional<Tensor> value = known(input);
  if (!value) fail(what, " must be a constant");
  return *value;
}

std::vector<int64_t> NodeImport::constant_integers(int input, const char* what) {
  const Tensor value = constant(input, what);
  if (value.dtype() != DType::i64 && value.dtype() != DType::i32) {
    fail(what, " must hold whole numbers, not ", name_of(value.dtype()));
  }
  const Tensor wide = value.to(DType::i64);
  return {wide.data<int64_t>(), wide.data<int64_t>() + wide.numel()};
}

double NodeImport::constant_number(int input, const char* what) {
  const Tensor value = constant(input, what);
  if (value.numel() != 1) fail(what, " must be one number, not ", value.shape().str());
  return *std::as_const(value).to(DType::f64).data<double>();
}

DType NodeImport::dtype(int input) {
  const std::optional<Tensor> data = known(input);
  return data ? data->dtype() : type_of(in(input)).dtype;
}

void NodeImport::need_floats() {
  for (int i = 0; i < input_count(); ++i) {
    if (has(i) && dtype(i) != DType::f32) {
      fail("its input ", i, " must hold FLOAT, not ", name_of(dtype(i)));
    }
  }
}

int64_t NodeImport::axis(int64_t given, int rank, int more) const {
  if (given < -rank - more || given >= rank + more) fail("axis ", given, " is outside of rank ", rank);
  return given < 0 ? given + rank : given;
}

std::vector<ValueId> NodeImport::add_all(ops::Attributes attributes, std::vector<ValueId> inputs) {
  const std::string name = graph_.unique_node_name(node_.name().empty() ? op() : node_.name());
  try {
    return add_node(graph_.graph(), name, std::move(attributes), std::move(inputs));
  } catch (const Error& error) {
    // Whoever reads the node names it already.
    const std::string_view text = error.what();
    fail(text.starts_with(name + ": ") ? text.substr(name.size() + 2) : text);
  }
}

ValueId NodeImport::add(ops::Attributes attributes, std::vector<ValueId> inputs) {
  return add_all(std::move(attributes), std::move(inputs))[0];
}

ValueId NodeImport::add_data(Tensor data) {
  return add_constant(graph_.graph(),
                      graph_.unique_data_name((node_.name().empty() ? op() : node_.name()) + ".constant"),
                      std::move(data));
}

ValueId NodeImport::add_integers(const std::vector<int64_t>& values) {
  return add_data(Tensor::from<int64_t>({static_cast<int64_t>(values.size())}, values));
}

ValueId NodeImport::add_number(double value, DType dtype) {
  return add_data(Tensor::from<double>({}, {value}).to(dtype));
}

}  // namespace pleat::formats
