#include "base/format.hpp"
#include "formats/onnx/graph_import.hpp"
#include "formats/onnx/message_file.hpp"
#include "formats/onnx/operators.hpp"
#include "formats/onnx/tensor.hpp"
#include "pleat/onnx.hpp"

namespace pleat {
namespace {

using namespace formats;

int opset_of(const onnx::ModelProto& model) {
  std::optional<int64_t> version;
  for (const auto& set : model.opset_import()) {
    if (!set.domain().empty() && set.domain() != "ai.onnx") continue;
    if (version) fail("the operator set is given twice");
    version = set.version();
  }
  if (!version) fail("no operator set of ONNX's own is given");
  if (*version < kFirstOpset || *version > kLastOpset) {
    fail("operator set ", *version, " is not supported (", kFirstOpset, " to ", kLastOpset, " are)");
  }
  return static_cast<int>(*version);
}

}  // namespace

Graph read_onnx(const std::filesystem::path& file) {
  ExternalData folder(file.parent_path());
  auto model = read_model_message(folder, file.filename().string());
  try {
    if (!model.has_graph()) fail("holds no graph: not an ONNX model?");
    GraphImport import(folder, opset_of(model));
    import.read(*model.mutable_graph());
    Graph graph;
    graph.ir() = std::move(import.graph());
    return graph;
  } catch (const Error& error) {
    fail(file.string(), ": ", error.what());
  }
}

Tensor read_onnx_tensor(const std::filesystem::path& file) {
  ExternalData folder(file.parent_path());
  return tensor_from_onnx(read_tensor_message(folder, file.filename().string()), folder, file.string());
}

}  // namespace pleat
