#pragma once

// Where a resized tensor's elements come from, by ONNX's rules.

#include <array>
#include <cstdint>

#include "ops/known.hpp"
#include "ops/strided_copy.hpp"

namespace pleat {

/// One dimension of a Resize.
struct ResizeAxis {
  int64_t in = 0, out = 0;    ///< `out` is kDynamic while it is not known
  double scale = 1;           ///< as the coordinates see it: as given, or out / in
  double begin = 0, end = 1;  ///< the region of interest, of tf_crop_and_resize
  bool mapped = false;        ///< whether elements move at all
};
using ResizeAxes = std::array<ResizeAxis, kMaxRank>;

/// The inputs that say what becomes of x; null where absent or empty.
struct ResizeInputs {
  const ValueType *roi, *scales, *sizes;
};

/// The dimensions of x, their regions of interest whole. Error where the inputs do not fit each other, the
/// attributes or x.
ResizeAxes check_resize(const ops::Resize& attributes, const ValueType& x, const ResizeInputs& inputs);
/// The same for inputs that were checked; it allocates nothing.
ResizeAxes resize_axes(const ops::Resize& attributes, const Shape& x, const ResizeInputs& inputs);
/// Sets the regions of interest from roi's elements.
void set_regions(const ops::Resize& attributes, int rank, DType dtype, const void* roi, ResizeAxes& axes);

/// The element nearest to place i of the output; -1 outside of x, where a region of interest may reach.
int64_t nearest_source(const ops::Resize& attributes, const ResizeAxis& axis, int64_t i);

/// What place i of the output is a weighted sum of: elements first, first + 1, ... of x, where the outermost
/// stand for those outside.
class ResizeWindow {
 public:
  /// How many elements it has, for any i.
  static int64_t size(const ops::Resize& attributes, const ResizeAxis& axis);
  ResizeWindow(const ops::Resize& attributes, const ResizeAxis& axis, int64_t i);

  bool is_outside() const { return outside_; }  ///< of x, where a region of interest may reach
  int64_t source(int64_t k) const;
  double weight(int64_t k) const { return raw_weight(k) / sum_; }

 private:
  double raw_weight(int64_t k) const;

  int64_t in_, first_;
  double offset_;  // of the first element from the place, on x
  double squeeze_;
  double cubic_a_;
  double sum_ = 1;
  bool cubic_, exclude_outside_, outside_;
};

}  // namespace pleat
