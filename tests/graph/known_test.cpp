// Shape arithmetic: what is known of a shape that is computed in the graph, while some sizes are not.

#include <doctest/doctest.h>

#include "graph/edit.hpp"
#include "ops/known.hpp"
#include "pleat/graph.hpp"
#include "pleat/model.hpp"
#include "support/graph_tools.hpp"

namespace pleat {
namespace {

class ShapeGraph {
 public:
  ValueId input(Shape shape) { return add_input(graph_, name(), {DType::f32, std::move(shape)}); }
  ValueId list(const std::vector<int64_t>& values) { return test::add_integers(graph_, name(), values); }
  ValueId scalar(int64_t value) { return add_constant(graph_, name(), Tensor::from<int64_t>({}, {value})); }
  ValueId add(const ops::Attributes& attributes, const std::vector<ValueId>& inputs) {
    return add_node(graph_, name(), attributes, inputs)[0];
  }
  Shape shape(ValueId id) const { return graph_.value(id).type.shape; }
  // Its elements, kUnknown where they are not known.
  std::vector<int64_t> elements(ValueId id) const {
    return known_integers(&graph_.value(id).type, "a shape").value();
  }
  GraphData& data() { return graph_; }

 private:
  std::string name() { return "v" + std::to_string(count_++); }
  GraphData graph_;
  int count_ = 0;
};

constexpr int64_t kU = kUnknown, kN = kDynamic;
using List = std::vector<int64_t>;

TEST_CASE("known: a flattening written as Shape, Slice, Concat, Reshape") {
  ShapeGraph g;
  const ValueId x = g.input({kN, 3, kN, kN}), sizes = g.add(ops::ShapeOf{}, {x});
  const ValueId front = g.add(ops::StridedSlice{}, {sizes, g.list({0}), g.list({2})});
  CHECK(g.elements(front) == List{kU, 3});
  const ValueId shape = g.add(ops::Concat{0}, {front, g.list({8})});
  CHECK(g.elements(shape) == List{kU, 3, 8});
  CHECK(g.shape(g.add(ops::Reshape{}, {x, shape})) == Shape{kN, 3, 8});
}

TEST_CASE("known: a size picked by Gather, made a list again by Unsqueeze") {
  ShapeGraph g;
  const ValueId x = g.input({kN, 6, 4, 5}), sizes = g.add(ops::ShapeOf{}, {x});
  const ValueId batch = g.add(ops::Gather{0}, {sizes, g.scalar(0)});
  const ValueId channels = g.add(ops::Gather{0}, {sizes, g.scalar(-3)});
  CHECK(g.elements(batch) == List{kU});
  CHECK(g.elements(channels) == List{6});
  const ValueId first = g.add(ops::Unsqueeze{}, {batch, g.list({0})});
  const ValueId second = g.add(ops::Unsqueeze{}, {channels, g.list({0})});
  const ValueId shape = g.add(ops::Concat{0}, {first, g.list({2, 3}), second, g.list({-1})});
  CHECK(g.elements(shape) == List{kU, 2, 3, 6, -1});
  CHECK(g.shape(g.add(ops::Reshape{}, {x, shape})) == Shape{kN, 2, 3, 6, kN});
  CHECK(g.elements(g.add(ops::Squeeze{}, {first, g.list({0})})) == List{kU});
}

TEST_CASE("known: through what moves elements") {
  ShapeGraph g;
  const ValueId x = g.input({kN, 6, 4, kN}), sizes = g.add(ops::ShapeOf{}, {x});
  CHECK(g.elements(g.add(ops::StridedSlice{}, {sizes, g.list({-1}), g.list({-9}), g.list({0}),
                                               g.list({-1})})) == List{kU, 4, 6, kU});
  CHECK(g.elements(g.add(ops::Tile{}, {sizes, g.list({2})})) == List{kU, 6, 4, kU, kU, 6, 4, kU});
  const ValueId pairs = g.add(ops::Reshape{}, {sizes, g.list({2, 2})});
  const ValueId turned = g.add(ops::Transpose{}, {pairs});
  CHECK(g.elements(g.add(ops::Reshape{}, {turned, g.list({-1})})) == List{kU, 4, 6, kU});
  const ValueId wide = g.add(ops::Expand{}, {g.add(ops::Slice{0, 0, 1}, {sizes}), g.list({3})});
  CHECK(g.elements(wide) == List{kU, kU, kU});
  const std::vector<ValueId> parts = add_node(g.data(), "parts", ops::Split{0, 2}, {sizes});
  CHECK(g.elements(parts[0]) == List{kU, 6});
  CHECK(g.elements(parts[1]) == List{4, kU});
}

TEST_CASE("known: indices that are not known leave every element open") {
  ShapeGraph g;
  const ValueId x = g.input({kN, 6}), sizes = g.add(ops::ShapeOf{}, {x});
  const ValueId index = add_input(g.data(), "index", {DType::i64, {2}});
  CHECK(g.elements(g.add(ops::Gather{0}, {sizes, index})) == List{kU, kU});
}

TEST_CASE("known: a new shape that is an input of the network is planned by its elements") {
  Graph graph;
  GraphData& data = graph.ir();
  const ValueId x = add_input(data, "x", {DType::f32, {kN, 6}});
  const ValueId shape = add_input(data, "shape", {DType::i64, {2}});
  const ValueId y = add_node(data, "y", ops::Reshape{}, {x, shape})[0];
  const ValueId z = add_node(data, "z", ops::Transpose{}, {y})[0];
  CHECK(data.value(z).type.shape == Shape{kN, kN});
  data.outputs = {z};
  data.output_names = {"z"};
  Model model(graph);
  model.eval();
  const Tensor given = Tensor::from<float>({2, 6}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11});
  const auto values = [](const Tensor& tensor) {
    return std::vector<float>(tensor.data<float>(), tensor.data<float>() + tensor.numel());
  };
  for (int turn = 0; turn < 2; ++turn) {
    const Tensor tall = model.run({given, Tensor::from<int64_t>({2}, {-1, 2})})[0];
    CHECK(tall.shape() == Shape{2, 6});
    CHECK(values(tall) == std::vector<float>{0, 2, 4, 6, 8, 10, 1, 3, 5, 7, 9, 11});
    const Tensor wide = model.run({given, Tensor::from<int64_t>({2}, {3, 4})})[0];
    CHECK(wide.shape() == Shape{4, 3});
    CHECK(values(wide) == std::vector<float>{0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11});
  }
}

}  // namespace
}  // namespace pleat
