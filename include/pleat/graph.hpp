#pragma once

#include <memory>
#include <string>
#include <vector>

#include "pleat/layers.hpp"
#include "pleat/tensor.hpp"

namespace pleat {

struct GraphData;

/// A value in a graph, as Graph::input and Graph::add return it.
struct Value {
  int32_t id = -1;
};

/// A network's structure: layers joined by values. Shapes are checked as layers are added; Error names the
/// layer.
///
///     Graph graph;
///     Value x = graph.input("x", {kDynamic, 10});
///     x = graph.add("fc1", Linear{10, 20}, {x});
///     x = graph.add("bn1", BatchNorm1d{20}, {x});
///     graph.output("y", graph.add(ReLU{}, {x}));
class Graph {
 public:
  Graph();
  Graph(const Graph&);  ///< shares the parameters' storage
  Graph(Graph&&) noexcept;
  Graph& operator=(Graph) noexcept;
  ~Graph();

  /// An input. The first dimension is usually kDynamic: the batch.
  Value input(std::string name, Shape shape, DType dtype = DType::f32);
  /// A layer on its inputs. Parameters are named after it: "fc1" makes "fc1.weight". Names are unique.
  Value add(std::string name, const Layer& layer, const std::vector<Value>& inputs);
  /// The same under a name made from the layer's kind ("relu1", "relu2", ...).
  Value add(const Layer& layer, const std::vector<Value>& inputs);
  void output(std::string name, Value value);

  const Shape& shape(Value value) const;
  DType dtype(Value value) const;
  /// Of an output: the name that output() gave it.
  const std::string& name(Value value) const;
  /// Inputs and outputs, in the order in which they were made.
  std::vector<Value> inputs() const;
  std::vector<Value> outputs() const;

  /// Every node with its shapes, one a line.
  std::string str() const;
  /// The same as a drawing for Graphviz's dot.
  std::string dot() const;

  GraphData& ir() { return *data_; }
  const GraphData& ir() const { return *data_; }

 private:
  std::unique_ptr<GraphData> data_;
};

}  // namespace pleat
