#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include "base/format.hpp"
#include "formats/input_file.hpp"
#include "formats/onnx/graph_import.hpp"
#include "formats/onnx/operators.hpp"
#include "formats/onnx/tensor.hpp"
#include "pleat/onnx.hpp"

namespace pleat {
namespace {

using namespace formats;

// Protobuf's own limit.
constexpr uint64_t kMostBytes = (uint64_t{1} << 31) - 1;
constexpr int kPiece = 1 << 18;

// A file as protobuf reads it: weights go from the file to where they stay.
class FileStream : public google::protobuf::io::CopyingInputStream {
 public:
  explicit FileStream(InputFile& file) : file_(file) {}
  int Read(void* buffer, int size) override {
    const uint64_t count = std::min(static_cast<uint64_t>(size), file_.remaining());
    file_.read(buffer, count);
    return static_cast<int>(count);
  }

 private:
  InputFile& file_;
};

template <class Message>
Message read_message(const std::filesystem::path& file, const char* what) {
  InputFile in(file);
  if (in.size() > kMostBytes) {
    in.fail(in.size(), " bytes; protobuf allows 2 GB: larger models keep their weights in files beside them");
  }
  Message message;
  FileStream pieces(in);
  google::protobuf::io::CopyingInputStreamAdaptor stream(&pieces, kPiece);
  if (!message.ParseFromZeroCopyStream(&stream)) in.fail("is not ", what, " (truncated or damaged)");
  return message;
}

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
  auto model = read_message<onnx::ModelProto>(file, "an ONNX model");
  try {
    if (!model.has_graph()) fail("holds no graph: not an ONNX model?");
    GraphImport import(file.parent_path(), opset_of(model));
    import.read(*model.mutable_graph());
    Graph graph;
    graph.ir() = std::move(import.graph());
    return graph;
  } catch (const Error& error) {
    fail(file.string(), ": ", error.what());
  }
}

Tensor read_onnx_tensor(const std::filesystem::path& file) {
  auto message = read_message<onnx::TensorProto>(file, "an ONNX tensor");
  return tensor_from_onnx(std::move(message), file.parent_path(), file.string());
}

}  // namespace pleat
