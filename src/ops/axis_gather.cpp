#include "ops/axis_gather.hpp"

#include <algorithm>
#include <cstring>

#include "base/parallel.hpp"

namespace pleat {
namespace {

// The longest stretch of a table whose sources are neighbours: the inner part of a padded row.
struct Stretch {
  int64_t first = 0, size = 0;

  Stretch(const int64_t* sources, int64_t count) {
    for (int64_t i = 0, begin = 0; i < count; ++i) {
      if (sources[i] < 0) {
        begin = i + 1;
        continue;
      }
      if (i > begin && sources[i] != sources[i - 1] + 1) begin = i;
      if (i + 1 - begin > size) {
        first = begin;
        size = i + 1 - begin;
      }
    }
  }
};

}  // namespace

void AxisGather::add(int64_t in, int64_t out, const int64_t* sources) {
  for (int d = 0; d < rank_; ++d) dims_[static_cast<size_t>(d)].stride *= in;
  if (sources == nullptr) {
    run_ *= out;
    return;
  }
  // Untabled dimensions between tabled ones are one of their own.
  if (run_ > 1) {
    dims_[static_cast<size_t>(rank_)] = {run_, run_, in, nullptr};
    ++rank_;
    run_ = 1;
  }
  dims_[static_cast<size_t>(rank_++)] = {in, out, 1, sources};
}

// The place in x of a row of y, one index of all dimensions but the last; -1 where it is filled.
int64_t AxisGather::row_source(int64_t row) const {
  int64_t place = 0;
  for (int d = rank_ - 2; d >= 0; --d) {
    const Dim& dim = dims_[static_cast<size_t>(d)];
    const int64_t i = row % dim.out, source = dim.sources == nullptr ? i : dim.sources[i];
    if (source < 0) return -1;
    place += source * dim.stride;
    row /= dim.out;
  }
  return place;
}

template <class U>
void AxisGather::gather(U fill, const U* x, U* y) const {
  const Dim& last = dims_[static_cast<size_t>(rank_ - 1)];
  const Stretch stretch(last.sources, last.out);
  const int64_t length = last.out * run_;
  int64_t rows = 1;
  for (int d = 0; d + 1 < rank_; ++d) rows *= dims_[static_cast<size_t>(d)].out;
  const auto copy_each = [&](const U* from, U* to, int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t source = last.sources[i];
      if (source < 0) {
        std::fill_n(to + i * run_, run_, fill);
      } else if (run_ == 1) {
        to[i] = from[source];
      } else {
        std::memcpy(to + i * run_, from + source * run_, static_cast<size_t>(run_) * sizeof(U));
      }
    }
  };
  parallel_for(rows, grain_for(length / 2), [&](int64_t begin, int64_t end) {
    int64_t before = -1;
    for (int64_t row = begin; row < end; ++row) {
      U* to = y + row * length;
      const int64_t source = row_source(row);
      if (source < 0) {
        std::fill_n(to, length, fill);
      } else if (source == before) {  // one above the other
        std::memcpy(to, to - length, static_cast<size_t>(length) * sizeof(U));
      } else {
        const U* from = x + source;
        copy_each(from, to, 0, stretch.first);
        if (stretch.size > 0) {
          std::memcpy(to + stretch.first * run_, from + last.sources[stretch.first] * run_,
                      static_cast<size_t>(stretch.size * run_) * sizeof(U));
        }
        copy_each(from, to, stretch.first + stretch.size, last.out);
      }
      before = source;
    }
  });
}

void AxisGather::run(DType dtype, const void* fill, const void* x, void* y) const {
  with_element_size(dtype, [&]<class U>(U*) {
    if (rank_ == 0) {
      std::memcpy(y, x, static_cast<size_t>(run_) * sizeof(U));
      return;
    }
    U element;
    std::memcpy(&element, fill, sizeof(U));
    gather(element, static_cast<const U*>(x), static_cast<U*>(y));
  });
}

}  // namespace pleat
