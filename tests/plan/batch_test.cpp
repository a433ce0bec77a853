// Batches that run piece by piece: which networks may, and that the results stay what they are.

#include "plan/batch.hpp"

#include <doctest/doctest.h>

#include "api/run_graph.hpp"
#include "graph/edit.hpp"
#include "passes/pipeline.hpp"
#include "plan/plan.hpp"
#include "pleat/models.hpp"
#include "support/graph_tools.hpp"
#include "support/model_tools.hpp"
#include "support/run_graph.hpp"

namespace pleat {
namespace {

// y = rest(x), x (N, 4, 6, 5).
template <class Rest>
GraphData graph_of(const Rest& rest) {
  GraphData graph;
  const ValueId x = add_input(graph, "x", {DType::f32, {kDynamic, 4, 6, 5}});
  graph.outputs = {rest(graph, x)};
  graph.output_names = {"y"};
  return graph;
}
ValueId integers(GraphData& graph, const std::vector<int64_t>& values) {
  return test::add_integers(graph, "integers", values);
}

TEST_CASE("batch: items that know nothing of each other") {
  for (const std::string name : {"net", "mymodel", "resnet20", "mobilenetv2"}) {
    CAPTURE(name);
    Graph graph = models::build(name);
    initialize(graph.ir(), 0);
    PassContext context;
    CHECK(is_independent_in_batch(inference_graph(graph.ir(), true, context)));
    CHECK_FALSE(is_independent_in_batch(training_graph(graph.ir(), context)));
  }
}

TEST_CASE("batch: what works along the first dimension, or may, holds items together") {
  using Rest = ValueId (*)(GraphData&, ValueId);
  struct Case {
    const char* name;
    bool independent;
    Rest rest;
  };
  const Case cases[] = {
      {"softmax over channels", true,
       [](GraphData& g, ValueId x) {
         return add_node(g, "y", ops::Softmax{false, 1}, {x})[0];
       }},
      {"softmax over the batch", false,
       [](GraphData& g, ValueId x) {
         return add_node(g, "y", ops::Softmax{false, 0}, {x})[0];
       }},
      {"softmax over the batch, counted from the end", false,
       [](GraphData& g, ValueId x) {
         return add_node(g, "y", ops::Softmax{false, -4}, {x})[0];
       }},
      {"mean of channels", true,
       [](GraphData& g, ValueId x) {
         return add_node(g, "y", ops::Reduce{}, {x, integers(g, {1})})[0];
       }},
      {"mean of items", false,
       [](GraphData& g, ValueId x) {
         return add_node(g, "y", ops::Reduce{}, {x, integers(g, {-4, 1})})[0];
       }},
      {"mean of all", false, [](GraphData& g, ValueId x) { return add_node(g, "y", ops::Reduce{}, {x})[0]; }},
      {"transposed behind", true,
       [](GraphData& g, ValueId x) {
         return add_node(g, "y", ops::Transpose{{0, 2, 3, 1}}, {x})[0];
       }},
      {"transposed in front", false,
       [](GraphData& g, ValueId x) {
         return add_node(g, "y", ops::Transpose{{1, 0, 2, 3}}, {x})[0];
       }},
      {"a view that keeps the items", true,
       [](GraphData& g, ValueId x) {
         return add_node(g, "y", ops::Reshape{}, {x, integers(g, {0, -1})})[0];
       }},
      {"a view that joins items", false,
       [](GraphData& g, ValueId x) {
         return add_node(g, "y", ops::Reshape{}, {x, integers(g, {-1, 8, 6, 5})})[0];
       }},
      {"joined to itself as more items", false,
       [](GraphData& g, ValueId x) {
         return add_node(g, "y", ops::Concat{0}, {x, x})[0];
       }},
      {"times what was made of all items", false,
       [](GraphData& g, ValueId x) {
         const ValueId mean = add_node(g, "mean", ops::Reduce{}, {x, integers(g, {0})})[0];
         return add_node(g, "y", ops::Binary{ops::BinaryKind::mul}, {x, mean})[0];
       }},
      {"plus a constant", true,
       [](GraphData& g, ValueId x) {
         const ValueId c = add_constant(g, "c", test::random_tensor({4, 6, 5}, 1));
         return add_node(g, "y", ops::Binary{ops::BinaryKind::add}, {x, c})[0];
       }},
      {"its shape", false, [](GraphData& g, ValueId x) { return add_node(g, "y", ops::ShapeOf{}, {x})[0]; }},
  };
  for (const Case& one : cases) {
    CAPTURE(std::string(one.name));
    CHECK(is_independent_in_batch(graph_of(one.rest)) == one.independent);
  }
}

// 6 MB of activations an item.
GraphData wide_graph() {
  GraphData graph;
  const ValueId x = add_input(graph, "x", {DType::f32, {kDynamic, 3, 128, 128}});
  const ValueId w = add_constant(graph, "w", test::random_tensor({64, 3, 1, 1}, 2));
  const ValueId v = add_constant(graph, "v", test::random_tensor({64, 64, 1, 1}, 3));
  const ValueId wide = add_node(graph, "wide", ops::Conv{}, {x, w})[0];
  const ValueId again = add_node(graph, "again", ops::Conv{}, {wide, v})[0];
  graph.outputs = {add_node(graph, "pool", ops::GlobalAvgPool{}, {again})[0], x};
  graph.output_names = {"y", "copy"};
  return graph;
}

TEST_CASE("batch: one that the cache does not hold runs in equal pieces, with the same results") {
  PassContext context;
  const GraphData graph = inference_graph(wide_graph(), true, context);
  for (const int64_t batch : {1, 2, 7, 8}) {
    CAPTURE(batch);
    const Tensor x = test::random_tensor({batch, 3, 128, 128}, 5);
    const std::vector<Shape> shapes = {x.shape()};
    const Plan plan = make_batch_plan(graph, shapes);
    CHECK(batch % plan.pieces == 0);
    CHECK((plan.pieces > 1) == (batch > 2));
    CHECK(plan.output_types[0].shape == Shape{batch, 64});
    GraphRunner runner(graph);
    const std::vector<Tensor> got = runner.run({x}), expected = test::run_graph(graph, {x});
    for (size_t i = 0; i < got.size(); ++i) {
      REQUIRE(got[i].shape() == expected[i].shape());
      CHECK(test::relative_error(got[i], expected[i]) < 1e-6);
    }
  }
}

}  // namespace
}  // namespace pleat
