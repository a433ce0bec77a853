// Cross entropy of logits x (N, C) and class indices, the mean over the batch, with PyTorch's label smoothing
// s: loss = -1/N sum_i ((1 - s) log p[i, label[i]] + s/C sum_j log p[i, j]),  log p = log_softmax(x). dx[i,
// j] = dloss / N * (p[i, j] - (1 - s) [j = label[i]] - s/C). Labels are not checked here: the trainer does
// before a run.

#include "base/format.hpp"
#include "ops/context.hpp"

namespace pleat {
namespace {

constexpr int64_t kWorkPerElement = 4;

// Rows whose losses are summed together: fixed by the shape, so that the sum's order is.
int64_t chunk_rows(const Shape& logits) {
  return grain_for(kWorkPerElement * logits[1]);
}
int64_t chunk_count(const Shape& logits) {
  return (logits[0] + chunk_rows(logits) - 1) / chunk_rows(logits);
}

struct CrossEntropyOp {
  using Attributes = ops::CrossEntropy;
  static constexpr std::string_view name = "cross_entropy";

  static std::vector<ValueType> infer(const Attributes& attributes, const InputTypes& in) {
    const Shape &logits = in[0]->shape, &labels = in[1]->shape;
    if (logits.rank() != 2) fail("cross_entropy: needs logits (N, classes), got ", logits.str());
    if (in[1]->dtype != DType::i64) {
      fail("cross_entropy: needs labels of type i64, got ", name_of(in[1]->dtype));
    }
    const bool known = logits[0] != kDynamic && labels.rank() == 1 && labels[0] != kDynamic;
    if (labels.rank() != 1 || (known && labels[0] != logits[0])) {
      fail("cross_entropy: logits ", logits.str(), " need one label an item, got labels ", labels.str());
    }
    if (!(attributes.label_smoothing >= 0 && attributes.label_smoothing <= 1)) {
      fail("cross_entropy: label_smoothing must be in [0, 1], got ", attributes.label_smoothing);
    }
    return {{in[0]->dtype, Shape{}}, *in[0]};
  }

  static Workspace workspace(const Attributes&, const InputTypes& in, DType) {
    return {.shared = static_cast<size_t>(chunk_count(in[0]->shape)) * sizeof(double)};
  }

  template <class T>
  static void run(const Attributes& attributes, const Context<T>& context) {
    const Shape& shape = context.in_shape(0);
    const int64_t n = shape[0], classes = shape[1], chunk = chunk_rows(shape), chunks = chunk_count(shape);
    const T* x = context.in(0);
    const int64_t* labels = context.template in<int64_t>(1);
    T* log_p = context.out(1);
    double* losses = context.template workspace<double>();
    parallel_for(chunks, 1, [&](int64_t first, int64_t last) {
      for (int64_t c = first; c < last; ++c) {
        const int64_t row = c * chunk, rows = row + chunk < n ? chunk : n - row;
        T* y = log_p + row * classes;
        context.kernels.softmax.log_softmax(rows, classes, x + row * classes, y);
        losses[c] =
            context.kernels.softmax.cross_entropy(rows, classes, attributes.label_smoothing, y, labels + row);
      }
    });
    double loss = 0;
    for (int64_t c = 0; c < chunks; ++c) loss += losses[c];
    *context.out(0) = static_cast<T>(loss / static_cast<double>(n));
  }

  static double work(const Attributes&, const InputTypes& in) {
    return static_cast<double>(kWorkPerElement * in[0]->shape.numel());
  }

  static void gradient(const Attributes& attributes, GradientScope& scope) {
    if (!scope.wants(0)) return;
    scope.set_input_gradient(0, scope.emit(ops::CrossEntropyGradient{attributes.label_smoothing},
                                           {scope.output(1), scope.input(1), scope.output_gradient(0)})[0]);
  }
};

struct CrossEntropyGradientOp {
  using Attributes = ops::CrossEntropyGradient;
  static constexpr std::string_view name = "cross_entropy_gradient";

  static std::vector<ValueType> infer(const Attributes&, const InputTypes& in) { return {*in[0]}; }

  template <class T>
  static void run(const Attributes& attributes, const Context<T>& context) {
    const Shape& shape = context.in_shape(0);
    const int64_t n = shape[0], classes = shape[1];
    const double scale = static_cast<double>(*context.in(2)) / static_cast<double>(n);
    const T* log_p = context.in(0);
    const int64_t* labels = context.template in<int64_t>(1);
    T* dx = context.out(0);
    parallel_for(n, chunk_rows(shape), [&](int64_t begin, int64_t end) {
      context.kernels.softmax.cross_entropy_gradient(end - begin, classes, attributes.label_smoothing, scale,
                                                     log_p + begin * classes, labels + begin,
                                                     dx + begin * classes);
    });
  }

  static double work(const Attributes&, const InputTypes& in) {
    return static_cast<double>(kWorkPerElement * in[0]->shape.numel());
  }
};

}  // namespace

PLEAT_OP(CrossEntropyOp)
PLEAT_OP(CrossEntropyGradientOp)

}  // namespace pleat
