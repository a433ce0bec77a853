#pragma once

// Linear maps along a tensor's dimensions: resizing, and the gradients of what repeats elements.

#include <array>
#include <cstdint>

#include "base/parallel.hpp"
#include "ops/strided_copy.hpp"

namespace pleat {

/// A map along one dimension, by rows: y[i] = sum of weight[t] * x[index[t]] over t in [first[i], first[i +
/// 1]).
template <class T>
struct AxisTaps {
  int64_t rows = 0;  ///< those that are complete
  int64_t *first, *index;
  T* weight;

  void add(int64_t source, T factor) {
    int64_t& end = first[rows + 1];
    index[end] = source;
    weight[end++] = factor;
  }
  void end_row() {
    ++rows;
    first[rows + 1] = first[rows];
  }
};

/// Maps along some of the dimensions, one after another; a gradient goes through the transposed maps.
class AxisMaps {
 public:
  /// Between tensors of those shapes. Their tables are given for `forward`; transposed: the data goes from
  /// `to` to `from`.
  AxisMaps(const Shape& from, const Shape& to, bool transposed);
  /// A dimension that is mapped, and how many taps its table has at most.
  void add(int dim, int64_t taps);

  size_t workspace_bytes(size_t element) const;
  /// fill writes the forward table of a dimension: a row for each place of `to`. Elements of y that no tap
  /// reaches are `empty`.
  template <class T>
  void run(FunctionRef<void(int dim, AxisTaps<T>& taps)> fill, T empty, void* workspace, const T* x,
           T* y) const;

 private:
  struct Map {
    int dim;
    int64_t taps;
  };
  struct Sizes {
    size_t table = 0;                         // bytes of one table
    std::array<int64_t, 2> between = {0, 0};  // elements of what passes leave to the next, in turn
  };
  bool goes_before(const Map& a, const Map& b) const;
  Sizes sizes() const;

  std::array<int64_t, kMaxRank> source_{}, target_{};  // the data's shapes, in the direction it goes
  int rank_ = 0;
  bool transposed_;
  std::array<Map, kMaxRank> maps_{};  // in the order of the passes
  int count_ = 0;
};

}  // namespace pleat
