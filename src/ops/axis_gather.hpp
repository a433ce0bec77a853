#pragma once

// Gathers along several dimensions at once: padding, resizing to the nearest element.

#include <array>
#include <cstdint>

#include "ops/strided_copy.hpp"

namespace pleat {

/// y[i_0, i_1, ...] = x[source_0[i_0], source_1[i_1], ...]; `fill` where one of the sources is -1. A
/// dimension without a table keeps its index.
class AxisGather {
 public:
  /// Dimensions are added outermost first, with x's and y's sizes; the table has one source for each of y's.
  void add(int64_t in, int64_t out, const int64_t* sources);
  /// `fill` points to one element of the type.
  void run(DType dtype, const void* fill, const void* x, void* y) const;

 private:
  struct Dim {
    int64_t in, out, stride;  // in x
    const int64_t* sources;
  };
  template <class U>
  void gather(U fill, const U* x, U* y) const;
  int64_t row_source(int64_t row) const;

  std::array<Dim, kMaxRank> dims_{};
  int rank_ = 0;     // of the dimensions up to the last that has a table
  int64_t run_ = 1;  // elements behind them, which stay together
};

}  // namespace pleat
