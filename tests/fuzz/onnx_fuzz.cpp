#include <algorithm>

#include "fuzz/fuzz.hpp"
#include "passes/pipeline.hpp"
#include "plan/plan.hpp"
#include "pleat/onnx.hpp"

namespace {

using namespace pleat;

constexpr int64_t kSomeSize = 2;            // for a dimension that the file leaves open
constexpr int64_t kMostElements = 1 << 16;  // of inputs that are planned for

// Folds the network and plans it, where its inputs are small.
void plan(const Graph& graph) {
  std::vector<Shape> shapes;
  for (const Value input : graph.inputs()) {
    Shape& shape = shapes.emplace_back(graph.shape(input));
    double elements = 1;
    for (int i = 0; i < shape.rank(); ++i) {
      if (shape[i] == kDynamic) shape[i] = kSomeSize;
      elements *= static_cast<double>(shape[i]);
    }
    if (elements > kMostElements) return;
  }
  PassContext context;
  const GraphData folded = inference_graph(graph.ir(), /*fold=*/true, context);
  for (const ValueInfo& value : folded.values) {
    if (value.data.defined()) value.data.raw();  // read from the file now, if it was not before
  }
  make_plan(folded, shapes);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return pleat::test::fuzz_reader(data, size, [](const auto& file) { plan(read_onnx(file)); });
}
