#pragma once

#include <optional>
#include <string>

#include "graph/graph_data.hpp"
#include "passes/affine.hpp"

namespace pleat {

/// How a node that computes y = W x + b keeps its channels: Conv, ConvTranspose and Linear alike.
struct LinearView {
  static constexpr size_t kX = 0, kWeight = 1, kBias = 2, kResidual = 3, kPad = 4;

  bool outputs_first;  ///< weight (out, in/groups, ...); else (in, out/groups, ...)
  int64_t groups, inputs, outputs;
  int in_dim, out_dim;  ///< where x and y have their channels
  bool finished;        ///< an activation or a residual comes after the bias
  bool padded;          ///< x is padded, with zeros or the pad values
  bool uneven;          ///< not all outputs see all of the kernel, and no padding makes up for it

  /// The channel that the weight's second dimension stands for: j counts from the first of i's group.
  int64_t second_channel(const Shape& weight, int64_t i, int64_t j) const {
    return i / (weight[0] / groups) * weight[1] + j;
  }

  /// Calls f(output channel, input channel, element) for each element of the weight.
  template <class F>
  void for_each_weight(const Shape& weight, const F& f) const {
    const int64_t inner = weight.product(2, weight.rank());
    int64_t element = 0;
    for (int64_t i = 0; i < weight[0]; ++i) {
      for (int64_t j = 0; j < weight[1]; ++j) {
        const int64_t other = second_channel(weight, i, j);
        for (int64_t k = 0; k < inner; ++k, ++element) {
          outputs_first ? f(static_cast<size_t>(i), static_cast<size_t>(other), static_cast<size_t>(element))
                        : f(static_cast<size_t>(other), static_cast<size_t>(i), static_cast<size_t>(element));
        }
      }
    }
  }

  /// Calls f(output channel, first element, count) for each run of the weight's elements of one output
  /// channel.
  template <class F>
  void for_each_output(const Shape& weight, const F& f) const {
    const int64_t inner = weight.product(2, weight.rank());
    const int64_t rows = outputs_first ? weight[0] : weight[0] * weight[1];
    const int64_t count = outputs_first ? weight[1] * inner : inner;
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t output = outputs_first ? r : second_channel(weight, r / weight[1], r % weight[1]);
      f(static_cast<size_t>(output), r * count, count);
    }
  }
};

/// The view of a node, or nullopt for any other op.
std::optional<LinearView> linear_view(const GraphData& graph, const Node& node);

/// Why the node cannot take an affine of its result into weight and bias, or empty.
std::string cannot_absorb_after(const GraphData& graph, const Node& node, const Affine& after);
/// W'[o,i] = W[o,i] * s[o], b'[o] = b[o] * s[o] + t[o]; W' is of type `weight`.
void absorb_after(GraphData& graph, Node& node, const Affine& after, DType weight = DType::f64);

/// Why the node cannot take an affine of its input into weight, bias and pad values, or empty.
std::string cannot_absorb_before(const GraphData& graph, const Node& node, const Affine& before);
/// W'[o,i] = W[o,i] * s[i], b'[o] = b[o] + sum_i W[o,i] * t[i], pad'[i] = (pad[i] - t[i]) / s[i]
void absorb_before(GraphData& graph, Node& node, const Affine& before);

}  // namespace pleat
