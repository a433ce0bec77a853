#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>

#include "base/parallel.hpp"
#include "executor/executor.hpp"
#include "graph/edit.hpp"
#include "plan/plan.hpp"
#include "pleat/layers.hpp"
#include "pleat/model.hpp"
#include "support/model_tools.hpp"
#include "support/run_graph.hpp"

namespace pleat {
namespace {

using test::random_tensor;
using test::relative_error;

// A deferred tensor of another's values, which counts how often it is read.
Tensor counted(const Tensor& values, std::atomic<int>& reads) {
  return Tensor::deferred(values.shape(), values.dtype(), [values, &reads](void* elements) {
    ++reads;
    std::copy_n(values.data<float>(), values.numel(), static_cast<float*>(elements));
  });
}

TEST_CASE("Tensor::deferred: read when needed, and once; copies before that read for themselves") {
  std::atomic<int> reads = 0;
  const Tensor tensor = counted(Tensor::from<float>({3}, {1, 2, 3}), reads);
  CHECK(tensor.defined());
  CHECK(tensor.shape() == Shape{3});
  CHECK(reads == 0);
  CHECK(tensor.clone().data<float>()[2] == 3);
  CHECK(tensor.to(DType::f64).span<double>()[1] == 2);
  float elements[3] = {};
  tensor.copy_to(elements);
  CHECK(elements[2] == 3);
  CHECK(tensor.is_deferred());
  CHECK(reads == 3);
  CHECK(tensor.data<float>()[0] == 1);
  CHECK(tensor.reshape({1, 3}).data<float>()[0] == 1);
  CHECK(tensor.clone().data<float>()[1] == 2);
  CHECK_FALSE(tensor.is_deferred());
  CHECK(reads == 4);
}

TEST_CASE("Tensor::changed: of the elements of then, deferred where these are") {
  const auto doubled = [](void* elements) {
    for (int i = 0; i < 3; ++i) static_cast<float*>(elements)[i] *= 2;
  };
  std::atomic<int> reads = 0;
  Tensor tensor = counted(Tensor::from<float>({3}, {1, 2, 3}), reads);
  const Tensor before = tensor.changed(doubled);
  CHECK(reads == 0);
  tensor.data<float>()[0] = 10;
  const Tensor after = tensor.changed(doubled);
  CHECK(tensor.data<float>()[0] == 10);
  CHECK(after.data<float>()[0] == 20);
  CHECK(before.data<float>()[0] == 2);
  CHECK(before.changed(doubled).data<float>()[2] == 12);
}

TEST_CASE("Tensor::deferred: what reading throws reaches who needed the elements, who may try again") {
  bool fails = true;
  const Tensor tensor = Tensor::deferred({1}, DType::f32, [&](void* elements) {
    if (fails) throw Error("gone");
    *static_cast<float*>(elements) = 5;
  });
  CHECK_THROWS_WITH_AS(tensor.raw(), "gone", Error);
  CHECK_THROWS_WITH_AS(tensor.clone(), "gone", Error);
  fails = false;
  CHECK(*tensor.data<float>() == 5);
  CHECK_THROWS_AS(Tensor::deferred({kDynamic}, DType::f32, [](void*) {}), Error);
  CHECK_THROWS_AS(Tensor::deferred({1}, DType::f32, nullptr), Error);
}

TEST_CASE(
    "a deferred weight is in memory only while it is packed, and gives what it gives when it is there") {
  Graph graph;
  Value x = graph.input("x", {kDynamic, 8, kDynamic, kDynamic});
  x = graph.add("conv", Conv2d{.in_channels = 8, .out_channels = 16, .kernel_size = 3, .padding = 1}, {x});
  x = graph.add("bn", BatchNorm2d{.num_features = 16}, {x});
  x = graph.add("relu", ReLU{}, {x});
  x = graph.add("pointwise", Conv2d{.in_channels = 16, .out_channels = 16, .kernel_size = 1}, {x});
  graph.output("y", x);
  Model whole(graph, {.seed = 3});
  test::randomize(whole, 5);

  std::atomic<int> reads = 0;
  int weights = 0;
  Graph deferred = whole.graph();
  for (ValueInfo& value : deferred.ir().values) {
    if (value.kind != ValueKind::parameter || value.type.shape.rank() != 4) continue;
    value.data = counted(value.data.clone(), reads);
    ++weights;
  }
  REQUIRE(weights == 2);
  Model model(deferred);
  model.eval();
  whole.eval();
  model.fold_report();
  CHECK(reads == 0);
  const Tensor small = random_tensor({1, 8, 6, 6}, 7), large = random_tensor({2, 8, 12, 12}, 9);
  CHECK(relative_error(model(small), whole(small)) == 0);
  CHECK(reads == 2);
  CHECK(relative_error(model(small), whole(small)) == 0);
  CHECK(reads == 2);
  CHECK(relative_error(model(large), whole(large)) == 0);
  CHECK(reads == 4);
  for (const auto& [name, tensor] : model.state_dict()) CHECK(tensor.raw() != nullptr);
  CHECK(reads == 6);
  model.set_fold(false);
  whole.set_fold(false);
  CHECK(relative_error(model(small), whole(small)) == 0);
  CHECK(reads == 6);
  CHECK(relative_error(model.train()(large), whole.train()(large)) == 0);
}

TEST_CASE("a deferred weight that several steps pack, and one that is an output too") {
  const Tensor values = random_tensor({8, 8, 3, 3}, 5), x = random_tensor({1, 9, 9, 8}, 6);
  std::atomic<int> reads = 0;
  const auto build = [&](const Tensor& data, bool is_output) {
    GraphData graph;
    ValueId y = add_input(graph, "x", {DType::f32, x.shape()});
    const ValueId weight = add_constant(graph, "w", data);
    ops::ConvChannelsLast conv;
    conv.window.kernel = {3, 3};
    for (const char* name : {"a", "b", "c"})
      y = add_node(graph, name, conv, {y, weight, kAbsent, kAbsent})[0];
    graph.outputs = {y};
    if (is_output) graph.outputs.push_back(weight);
    graph.output_names.resize(graph.outputs.size());
    return graph;
  };
  const std::vector<Tensor> expected = test::run_graph(build(values, true), {x});
  for (const bool is_output : {false, true}) {
    for (const int threads : {1, 2, 8}) {
      Arena(threads).execute([&] {
        reads = 0;
        const std::vector<Shape> shapes = {x.shape()};
        Executor executor(make_plan(build(counted(values, reads), is_output), shapes));
        CHECK(reads == (is_output ? 1 : 3));
        Tensor y(expected[0].shape()), w(values.shape());
        const void* const inputs[] = {x.raw()};
        std::vector<void*> outputs = {y.raw()};
        if (is_output) outputs.push_back(w.raw());
        executor.run(inputs, outputs);
        CHECK(reads == (is_output ? 1 : 3));
        CHECK(relative_error(y, expected[0]) == 0);
        if (is_output) CHECK(relative_error(w, values) == 0);
      });
    }
  }
}

}  // namespace
}  // namespace pleat
