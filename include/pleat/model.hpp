#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pleat/fold.hpp"
#include "pleat/graph.hpp"
#include "pleat/profile.hpp"
#include "pleat/tensor.hpp"

namespace pleat {

struct ModelOptions {
  uint64_t seed = 0;  ///< of the parameters' initial values and of dropout
  int threads = 0;    ///< 0: the caller's TBB arena; n: an arena of n threads of the model's own
  /// No Winograd convolutions, which round a little more (about 1e-6 of an output's largest magnitude over a
  /// whole network) and run faster; in training neither in the gradients.
  bool precise = false;
};

/// One line of Model::layers().
struct LayerInfo {
  std::string name;       ///< "conv1"
  std::string kind;       ///< "conv"
  Shape output;           ///< where inputs left a dimension open, it is open here
  int64_t parameters;     ///< trainable numbers
  int64_t multiply_adds;  ///< of linear layers and convolutions; 0 where the output's shape is open
  std::string folded;     ///< where a batch normalization went in inference, or why it stayed
};

/// A graph with weights that runs. Starts in training mode, as in PyTorch.
///
/// train(): batch statistics, running statistics updated, dropout on. eval(): running statistics, dropout
/// off, batch normalization folded into a copy of the graph, which is made again when a weight has changed.
/// The first run for a new input shape plans; runs after it allocate nothing. Not for use from two threads at
/// once.
class Model {
 public:
  /// Parameters get PyTorch's default initialization.
  explicit Model(Graph graph, ModelOptions options = {});
  Model(Model&&) noexcept;
  Model& operator=(Model&&) noexcept;
  ~Model();

  Model& train(bool on = true);
  Model& eval() { return train(false); }
  bool training() const;
  /// Whether eval() folds; true at first.
  Model& set_fold(bool on);

  /// Runs a network of one input and one output.
  Tensor operator()(const Tensor& input);
  /// Inputs and outputs in the graph's order.
  std::vector<Tensor> run(const std::vector<Tensor>& inputs);
  /// Writes into `outputs`, which must have the right shapes; allocates nothing once these shapes have run.
  void run(std::span<const Tensor> inputs, std::span<Tensor> outputs);
  /// Runs `runs` times, as run() does in the present mode, and tells when each step began and ended. The
  /// first run on memory that was never touched is slow: run the model before. Error for runs < 1.
  Profile profile(const std::vector<Tensor>& inputs, int runs = 1);

  /// Parameters and running statistics by PyTorch's names, in PyTorch's order; shares the model's storage.
  StateDict state_dict() const;
  /// Copies every tensor in. Error where a name is missing or unknown, or a shape differs; then nothing was
  /// changed.
  void load_state_dict(const StateDict& state);
  /// The parameter or running statistic of that name; writing to it is seen by the next run.
  Tensor parameter(std::string_view name);

  /// Runs one layer as in eval() while the rest trains, as PyTorch's `layer.eval()`: a frozen BatchNorm uses
  /// and keeps its running statistics, a frozen Dropout passes its input on.
  void freeze(std::string_view layer, bool on = true);
  /// Whether training updates the parameter of that name; true at first.
  void set_requires_grad(std::string_view parameter, bool on);

  /// What eval() folded, and what it left and why. Prepares the inference graph where needed.
  const FoldReport& fold_report();
  /// The layers in graph order, for inputs of those shapes; without any, for a batch of 1.
  std::vector<LayerInfo> layers(const std::vector<Shape>& input_shapes = {});
  const Graph& graph() const;

  struct Impl;
  Impl& impl() { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace pleat
