// db[c] = the sum of dy over every dimension but one. Partial sums are over pieces fixed by shape, added in
// double in order: the same bits for any number of threads.

#include <algorithm>

#include "base/format.hpp"
#include "ops/context.hpp"

namespace pleat {
namespace {

constexpr int64_t kLanes = 16;     // independent sums, so that the compiler vectorizes
constexpr int64_t kPiece = 4096;   // elements summed before they are added in double
constexpr int64_t kRowPiece = 64;  // rows, where the dimension is the last

// dy as (outer, channels, inner).
struct Sizes {
  int64_t outer, channels, inner;
  // Partial sums (pieces, channels): one an outer index, or one for kRowPiece of them.
  int64_t pieces() const { return inner == 1 ? (outer + kRowPiece - 1) / kRowPiece : outer; }
};

Sizes sizes_of(const Shape& dy, int64_t dim) {
  const int d = static_cast<int>(dim);
  return {dy.product(0, d), dy[d], dy.product(d + 1, dy.rank())};
}

template <class T>
double sum(int64_t n, const T* x) {
  double total = 0;
  for (int64_t begin = 0; begin < n; begin += kPiece) {
    const int64_t end = std::min(n, begin + kPiece);
    T lanes[kLanes] = {};
    int64_t i = begin;
    for (; i + kLanes <= end; i += kLanes) {
      for (int64_t lane = 0; lane < kLanes; ++lane) lanes[lane] += x[i + lane];
    }
    for (int64_t lane = 0; i < end; ++i, ++lane) lanes[lane] += x[i];
    for (const T lane : lanes) total += static_cast<double>(lane);
  }
  return total;
}

template <class T>
void sum_rows(int64_t rows, int64_t channels, const T* x, double* sums) {
  std::fill(sums, sums + channels, 0.0);
  int64_t i = 0;
  for (; i + 4 <= rows; i += 4, x += 4 * channels) {
    const T *b = x + channels, *d = b + channels, *e = d + channels;
    for (int64_t c = 0; c < channels; ++c) sums[c] += static_cast<double>((x[c] + b[c]) + (d[c] + e[c]));
  }
  for (; i < rows; ++i, x += channels) {
    for (int64_t c = 0; c < channels; ++c) sums[c] += static_cast<double>(x[c]);
  }
}

struct BiasGradientOp {
  using Attributes = ops::BiasGradient;
  static constexpr std::string_view name = "bias_gradient";

  static std::vector<ValueType> infer(const Attributes& attributes, const InputTypes& in) {
    const Shape& dy = in[0]->shape;
    if (attributes.dim < 0 || attributes.dim >= dy.rank()) {
      fail("bias_gradient: dimension ", attributes.dim, " is not one of ", dy.str());
    }
    return {{in[0]->dtype, {dy[static_cast<int>(attributes.dim)]}}};
  }

  template <class T>
  static void run(const Attributes& attributes, const Context<T>& context) {
    const Sizes s = sizes_of(context.in_shape(0), attributes.dim);
    const T* dy = context.in(0);
    double* partial = context.template workspace<double>();
    if (s.inner == 1) {
      parallel_for(s.pieces(), grain_for(kRowPiece * s.channels / 4), [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          const int64_t row = i * kRowPiece;
          sum_rows(std::min(kRowPiece, s.outer - row), s.channels, dy + row * s.channels,
                   partial + i * s.channels);
        }
      });
    } else {
      parallel_for(s.outer * s.channels, grain_for(s.inner / 8), [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) partial[i] = sum(s.inner, dy + i * s.inner);
      });
    }
    T* db = context.out(0);
    parallel_for(s.channels, grain_for(s.pieces()), [&](int64_t begin, int64_t end) {
      for (int64_t c = begin; c < end; ++c) {
        double total = 0;
        for (int64_t i = 0; i < s.pieces(); ++i) total += partial[i * s.channels + c];
        db[c] = static_cast<T>(total);
      }
    });
  }

  static Workspace workspace(const Attributes& attributes, const InputTypes& in, DType) {
    const Sizes s = sizes_of(in[0]->shape, attributes.dim);
    return {static_cast<size_t>(s.pieces() * s.channels) * sizeof(double), 0};
  }
  static double work(const Attributes&, const InputTypes& in) {
    return static_cast<double>(in[0]->shape.numel()) / 4;
  }
};

}  // namespace

PLEAT_OP(BiasGradientOp)

}  // namespace pleat
