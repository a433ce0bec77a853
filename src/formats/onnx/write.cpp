// A graph as an ONNX model: https://github.com/onnx/onnx/blob/main/docs/IR.md

#include "base/atomic_file.hpp"
#include "formats/onnx/tensor.hpp"
#include "formats/onnx/write_ops.hpp"
#include "graph/edit.hpp"
#include "pleat/onnx.hpp"

namespace pleat {
namespace {

using namespace formats;

constexpr uint64_t kMostInside = 2'000'000'000;  // a protobuf message ends at 2^31 bytes
constexpr size_t kSmallest = 1024;               // bytes of a tensor that is worth a place outside
constexpr uint64_t kAlignment = 4096;            // of the tensors outside: they can be mapped

// The version of the file format that came with the operator set.
int64_t ir_version(int opset) {
  return opset < 15 ? 7 : 8;
}

void set_type(onnx::ValueInfoProto& message, const std::string& name, const ValueType& type) {
  message.set_name(name);
  onnx::TypeProto::Tensor& tensor = *message.mutable_type()->mutable_tensor_type();
  tensor.set_elem_type(dtype_to_onnx(type.dtype));
  onnx::TensorShapeProto& shape = *tensor.mutable_shape();
  for (int i = 0; i < type.shape.rank(); ++i) {
    onnx::TensorShapeProto::Dimension& dim = *shape.add_dim();
    if (type.shape[i] == kDynamic) {
      dim.set_dim_param(concat(name, "_dim_", i));
    } else {
      dim.set_dim_value(type.shape[i]);
    }
  }
}

void write_node(GraphWriter& writer, const Node& node) {
  NodeWriter node_writer(writer, node);
  const int first = writer.proto.node_size();
  try {
    const Names names =
        std::visit([&](const auto& op) { return formats::write(node_writer, op); }, node.attributes);
    writer.set_outputs(node, first, names);
  } catch (const Error& error) {
    fail(node.name, " (", definition(node.attributes).name, "): ", error.what());
  }
}

void write_graph(GraphWriter& writer) {
  const GraphData& graph = writer.graph;
  for (const ValueId id : graph.inputs) {
    set_type(*writer.proto.add_input(), writer.name_of(id), graph.value(id).type);
  }
  for (const Node& node : graph.nodes) write_node(writer, node);
  writer.finish_outputs();
  for (size_t i = 0; i < graph.outputs.size(); ++i) {
    set_type(*writer.proto.add_output(), graph.output_names[i], graph.value(graph.outputs[i]).type);
  }
}

using Initializers = std::vector<std::pair<std::string, Tensor>>;

void put_inside(const Initializers& tensors, onnx::GraphProto& graph) {
  for (const auto& [name, tensor] : tensors) *graph.add_initializer() = tensor_to_onnx(tensor, name);
}

void put_outside(const Initializers& tensors, const std::string& location, AtomicFile& file,
                 onnx::GraphProto& graph) {
  uint64_t position = 0;
  for (const auto& [name, tensor] : tensors) {
    if (tensor.bytes() < kSmallest) {
      *graph.add_initializer() = tensor_to_onnx(tensor, name);
      continue;
    }
    const std::string gap((kAlignment - position % kAlignment) % kAlignment, '\0');
    file.write(gap);
    position += gap.size();
    *graph.add_initializer() = external_tensor_to_onnx(tensor, name, location, position);
    file.write(tensor.raw(), tensor.bytes());
    position += tensor.bytes();
  }
}

}  // namespace

void write_onnx(const std::filesystem::path& path, const Graph& graph, const OnnxOptions& options) {
  const auto where = [&] { return path.string() + ": cannot write: "; };
  if (options.opset < 13 || options.opset > 17) fail(where(), "opset ", options.opset, " is not 13 to 17");

  onnx::ModelProto model;
  model.set_ir_version(ir_version(options.opset));
  model.set_producer_name("pleat");
  model.add_opset_import()->set_version(options.opset);
  model.mutable_graph()->set_name("pleat");
  GraphData live = graph.ir();
  tidy(live);
  Initializers tensors;
  try {
    GraphWriter writer(live, options.opset, *model.mutable_graph());
    write_graph(writer);
    tensors = std::move(writer.initializers);
  } catch (const Error& error) {
    fail(where(), error.what());
  }

  uint64_t bytes = 0;
  for (const auto& [name, tensor] : tensors) bytes += tensor.bytes();
  std::optional<AtomicFile> data;
  if (options.external_data || bytes > kMostInside) {
    std::filesystem::path data_path = path;
    data_path += ".data";
    put_outside(tensors, data_path.filename().string(), data.emplace(data_path), *model.mutable_graph());
  } else {
    put_inside(tensors, *model.mutable_graph());
  }
  AtomicFile file(path);
  file.write(model.SerializeAsString());
  if (data) data->commit();  // first: a model without its data cannot be read
  file.commit();
}

}  // namespace pleat
