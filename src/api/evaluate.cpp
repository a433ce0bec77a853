#include <chrono>
#include <cmath>
#include <cstring>

#include "api/labels.hpp"
#include "base/format.hpp"
#include "pleat/train.hpp"

namespace pleat {
namespace {

/// eval() for as long as it lives.
class EvalMode {
 public:
  explicit EvalMode(Model& model) : model_(model), was_training_(model.training()) { model.eval(); }
  EvalMode(const EvalMode&) = delete;
  EvalMode& operator=(const EvalMode&) = delete;
  ~EvalMode() { model_.train(was_training_); }

 private:
  Model& model_;
  bool was_training_;
};

// Rows [begin, end), and zeros up to `count` rows.
Tensor rows(const Tensor& all, int64_t begin, int64_t end, int64_t count) {
  Shape shape = all.shape();
  shape[0] = count;
  Tensor part(shape, all.dtype());
  const size_t row = all.bytes() / static_cast<size_t>(all.shape()[0]);
  std::memcpy(part.raw(), static_cast<const std::byte*>(all.raw()) + static_cast<size_t>(begin) * row,
              static_cast<size_t>(end - begin) * row);
  return part;
}

// The batch that a network is made for; kDynamic: any.
int64_t fixed_batch(const Model& model) {
  const Graph& graph = model.graph();
  const Shape& input = graph.shape(graph.inputs().at(0));
  return input.rank() > 0 ? input[0] : kDynamic;
}

/// Runs the model in eval mode on all items, batch after batch, and calls use(begin, end, outputs of the
/// batch), whose rows past the items are of no meaning.
template <class Use>
void for_each_batch(std::string_view who, Model& model, const Tensor& inputs, int64_t batch_size,
                    const Use& use) {
  if (batch_size < 1) fail(who, ": the batch size must be positive, got ", batch_size);
  if (inputs.shape().rank() == 0 || inputs.numel() == 0) fail(who, ": the data set is empty");
  const EvalMode mode(model);
  const int64_t items = inputs.shape()[0], fixed = fixed_batch(model);
  if (fixed != kDynamic) batch_size = fixed;
  for (int64_t begin = 0; begin < items; begin += batch_size) {
    const int64_t end = std::min(begin + batch_size, items);
    const int64_t count = fixed == kDynamic ? end - begin : fixed;
    const Tensor outputs = model(rows(inputs, begin, end, count));
    if (outputs.shape().rank() == 0 || outputs.shape()[0] != count) {
      fail(who, ": needs a network with output (N, ...), one for each of ", count, " items, got ",
           outputs.shape().str());
    }
    use(begin, end, outputs);
  }
}

int64_t first_largest(const float* x, int64_t count) {
  int64_t largest = 0;
  for (int64_t i = 1; i < count; ++i) {
    if (x[i] > x[largest]) largest = i;
  }
  return largest;
}

/// log(sum exp(x)) - x[label], and whether x[label] is the first largest; never with NaN among x.
double cross_entropy(const float* x, int64_t classes, int64_t label, bool& correct) {
  const int64_t largest = first_largest(x, classes);
  double sum = 0;
  for (int64_t c = 0; c < classes; ++c) sum += std::exp(static_cast<double>(x[c]) - x[largest]);
  correct = largest == label && !std::isnan(sum);
  return std::log(sum) + static_cast<double>(x[largest]) - x[label];
}

}  // namespace

void check_labels(std::string_view who, const Tensor& labels, int64_t classes) {
  const int64_t* label = labels.data<int64_t>();
  for (int64_t i = 0; i < labels.numel(); ++i) {
    if (label[i] < 0 || label[i] >= classes) {
      fail(who, ": label ", label[i], " at position ", i, " is not one of the network's ", classes,
           " classes: it must be in [0, ", classes, ")");
    }
  }
}

Evaluation evaluate(Model& model, const Dataset& data, int64_t batch_size) {
  const Shape& shape = data.inputs.shape();
  if (shape.rank() == 0 || shape[0] != data.size()) {
    fail("evaluate: inputs ", shape.str(), " have ", data.size(), " labels");
  }
  const auto start = std::chrono::steady_clock::now();
  const int64_t* labels = std::as_const(data.labels).data<int64_t>();
  double loss = 0;
  int64_t hits = 0;
  const auto judge = [&](int64_t begin, int64_t end, const Tensor& logits) {
    if (logits.shape().rank() != 2) {
      fail("evaluate: needs a network with output (N, classes), got ", logits.shape().str());
    }
    const int64_t classes = logits.shape()[1];
    if (begin == 0) check_labels("evaluate", data.labels, classes);
    for (int64_t i = begin; i < end; ++i) {
      bool correct = false;
      loss += cross_entropy(logits.data<float>() + (i - begin) * classes, classes, labels[i], correct);
      hits += correct;
    }
  };
  for_each_batch("evaluate", model, data.inputs, batch_size, judge);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  const double n = static_cast<double>(data.size());
  return {.accuracy = static_cast<double>(hits) / n, .loss = loss / n, .images_per_s = n / seconds.count()};
}

Tensor predict(Model& model, const Tensor& inputs, int64_t batch_size) {
  const Shape& shape = inputs.shape();
  Tensor classes(Shape{shape.rank() > 0 ? shape[0] : 0}, DType::i64);
  int64_t* predicted = classes.data<int64_t>();
  const auto choose = [&](int64_t begin, int64_t end, const Tensor& outputs) {
    const int64_t width = outputs.numel() / outputs.shape()[0];
    if (width == 0) fail("predict: the network's output ", outputs.shape().str(), " has no classes");
    for (int64_t i = begin; i < end; ++i) {
      predicted[i] = first_largest(outputs.data<float>() + (i - begin) * width, width);
    }
  };
  for_each_batch("predict", model, inputs, batch_size, choose);
  return classes;
}

}  // namespace pleat
