#include "ops/resize_geometry.hpp"

#include <algorithm>
#include <cmath>

#include "base/format.hpp"
#include "ops/saturate.hpp"

namespace pleat {
namespace {

using ops::Resize;
using ops::ResizeCoordinates;

int listed_count(const Resize& attributes, int rank) {
  return attributes.axes.empty() ? rank : static_cast<int>(attributes.axes.size());
}
int listed_axis(const Resize& attributes, int rank, int k) {
  if (attributes.axes.empty()) return k;
  const int64_t axis = attributes.axes[static_cast<size_t>(k)];
  return static_cast<int>(axis < 0 ? axis + rank : axis);
}

bool crops(const Resize& attributes) {
  return attributes.coordinates == ResizeCoordinates::tf_crop_and_resize;
}

// One scale for all listed dimensions, so that none becomes larger (smaller) than its size; 0: not known.
double common_scale(const Resize& attributes, const Shape& x, const KnownElements& sizes) {
  double scale = 0;
  for (int k = 0; k < listed_count(attributes, x.rank()); ++k) {
    const int64_t in = x[listed_axis(attributes, x.rank(), k)];
    if (in == kDynamic || in == 0 || !sizes.known(k)) return 0;
    const double own = static_cast<double>(sizes.integer(k)) / static_cast<double>(in);
    if (k == 0) scale = own;
    scale = attributes.policy == ops::ResizePolicy::not_larger ? std::min(scale, own) : std::max(scale, own);
  }
  return scale;
}

void set_by_scale(const KnownElements& scales, int k, ResizeAxis& axis) {
  axis.out = kDynamic;
  if (scales.size() == kDynamic || !scales.known(k)) return;
  const auto scale = static_cast<float>(scales.real(k));
  axis.scale = scale;
  if (scale == 1) axis.out = axis.in;
  // In float, as the scale is: 10 * 0.7f is 7 there, and a little less in double.
  else if (axis.in != kDynamic)
    axis.out = saturated<int64_t>(std::floor(static_cast<float>(axis.in) * scale));
}

void set_by_size(const KnownElements& sizes, int k, ResizeAxis& axis) {
  axis.out = sizes.size() != kDynamic && sizes.known(k) ? sizes.integer(k) : kDynamic;
  if (axis.out == kDynamic || axis.in == kDynamic || axis.in == 0) return;
  axis.scale = static_cast<double>(axis.out) / static_cast<double>(axis.in);
}

void check_count(const char* what, const ValueType* type, int64_t count) {
  const int64_t given = type->shape.numel();
  if (type->shape.rank() != 1 || (given != count && given != kDynamic)) {
    fail("resize: needs ", count, " ", what, ", got ", type->shape.str());
  }
}

void check_floats(const char* what, const ValueType* type) {
  if (type->dtype != DType::f32 && type->dtype != DType::f64) {
    fail("resize: needs ", what, " of floating point, got ", name_of(type->dtype));
  }
}

void check_attributes(const Resize& attributes, const ValueType& x, const ResizeInputs& inputs) {
  const int rank = x.shape.rank();
  check_rank("resize", x.shape);
  std::array<bool, kMaxRank> seen{};
  for (int64_t axis : attributes.axes) {
    if (axis < -rank || axis >= rank) fail("resize: axis ", axis, " is outside of ", x.shape.str());
    bool& is_seen = seen[static_cast<size_t>(axis < 0 ? axis + rank : axis)];
    if (is_seen) fail("resize: axis ", axis, " is given twice");
    is_seen = true;
  }
  if ((inputs.scales == nullptr) == (inputs.sizes == nullptr)) {
    fail("resize: needs either scales or sizes, got ", inputs.scales == nullptr ? "none" : "both");
  }
  if (attributes.policy != ops::ResizePolicy::stretch && inputs.sizes == nullptr) {
    fail("resize: keeping the aspect ratio needs sizes, got scales");
  }
  const bool nearest = attributes.mode == ops::ResizeMode::nearest;
  if (attributes.antialias && nearest) fail("resize: antialias is for linear and cubic, got nearest");
  if (!nearest) check_floats("an input", &x);
  const int count = listed_count(attributes, rank);
  if (inputs.scales != nullptr) {
    check_floats("scales", inputs.scales);
    check_count("scales", inputs.scales, count);
  } else {
    known_integers(inputs.sizes, "sizes");
    check_count("sizes", inputs.sizes, count);
  }
  if (!crops(attributes)) return;
  if (inputs.roi == nullptr) fail("resize: tf_crop_and_resize needs a region of interest, roi");
  check_floats("roi", inputs.roi);
  check_count("numbers of roi", inputs.roi, 2 * count);
}

// The place on x of place i of the output.
double place_on_input(const Resize& attributes, const ResizeAxis& axis, int64_t i) {
  const auto at = static_cast<double>(i), in = static_cast<double>(axis.in);
  const double length = axis.scale * in;  // what `out` is before it is rounded
  const double half_pixel = (at + 0.5) / axis.scale - 0.5;
  switch (attributes.coordinates) {
    case ResizeCoordinates::half_pixel:
      return half_pixel;
    case ResizeCoordinates::half_pixel_symmetric:
      return in / 2 * (1 - static_cast<double>(axis.out) / length) + half_pixel;
    case ResizeCoordinates::pytorch_half_pixel:
      return axis.out > 1 ? half_pixel : 0;
    case ResizeCoordinates::align_corners:
      return length == 1 ? 0 : at * (in - 1) / (length - 1);
    case ResizeCoordinates::asymmetric:
      return at / axis.scale;
    case ResizeCoordinates::tf_half_pixel_for_nn:
      return (at + 0.5) / axis.scale;
    case ResizeCoordinates::tf_crop_and_resize:
      break;
  }
  if (axis.out == 1) return (axis.begin + axis.end) * (in - 1) / 2;
  return axis.begin * (in - 1) + at * (axis.end - axis.begin) * (in - 1) / (length - 1);
}

bool lies_outside(const Resize& attributes, const ResizeAxis& axis, double place) {
  return crops(attributes) && !(place >= 0 && place <= static_cast<double>(axis.in - 1));
}

double kernel_radius(const Resize& attributes) {
  return attributes.mode == ops::ResizeMode::cubic ? 2 : 1;
}
// Shrinking with antialias, the kernel is as wide on the output as else on x.
double kernel_squeeze(const Resize& attributes, const ResizeAxis& axis) {
  return attributes.antialias ? std::min(axis.scale, 1.0) : 1;
}
// The window's first element, counted from the one before the place.
double window_start(const Resize& attributes, const ResizeAxis& axis) {
  return std::floor(-kernel_radius(attributes) / kernel_squeeze(attributes, axis)) + 1;
}

}  // namespace

ResizeAxes resize_axes(const Resize& attributes, const Shape& x, const ResizeInputs& inputs) {
  ResizeAxes axes;
  for (int d = 0; d < x.rank(); ++d)
    axes[static_cast<size_t>(d)].in = axes[static_cast<size_t>(d)].out = x[d];
  const KnownElements scales(inputs.scales), sizes(inputs.sizes);
  const bool stretches = attributes.policy == ops::ResizePolicy::stretch;
  const double common = stretches || sizes.size() == kDynamic ? 0 : common_scale(attributes, x, sizes);
  for (int k = 0; k < listed_count(attributes, x.rank()); ++k) {
    ResizeAxis& axis = axes[static_cast<size_t>(listed_axis(attributes, x.rank(), k))];
    if (inputs.scales != nullptr) {
      set_by_scale(scales, k, axis);
    } else if (stretches) {
      set_by_size(sizes, k, axis);
    } else {
      axis.scale = common;
      axis.out = common == 0 ? kDynamic
                             : saturated<int64_t>(std::floor(common * static_cast<double>(axis.in) + 0.5));
    }
    axis.mapped = crops(attributes) || axis.scale != 1 || axis.in != axis.out;
  }
  return axes;
}

ResizeAxes check_resize(const Resize& attributes, const ValueType& x, const ResizeInputs& inputs) {
  check_attributes(attributes, x, inputs);
  const KnownElements scales(inputs.scales), sizes(inputs.sizes);
  for (int64_t k = 0; k < scales.size(); ++k) {
    if (!scales.known(k)) continue;
    if (!(scales.real(k) > 0 && scales.real(k) < 1e6)) {
      fail("resize: a scale must be above 0 and below 1e6, got ", scales.real(k));
    }
  }
  for (int64_t k = 0; k < sizes.size(); ++k) {
    if (sizes.known(k) && sizes.integer(k) < 0) {
      fail("resize: a size must not be negative, got ", sizes.integer(k));
    }
  }
  const ResizeAxes axes = resize_axes(attributes, x.shape, inputs);
  for (const ResizeAxis& axis : axes) {
    if (axis.in == 0 && axis.out > 0) fail("resize: there is nothing to take from in ", x.shape.str());
  }
  return axes;
}

void set_regions(const Resize& attributes, int rank, DType dtype, const void* roi, ResizeAxes& axes) {
  if (!crops(attributes)) return;
  const int count = listed_count(attributes, rank);
  const auto element = [&](int i) -> double {
    return dtype == DType::f64 ? static_cast<const double*>(roi)[i] : static_cast<const float*>(roi)[i];
  };
  for (int k = 0; k < count; ++k) {
    ResizeAxis& axis = axes[static_cast<size_t>(listed_axis(attributes, rank, k))];
    axis.begin = element(k);
    axis.end = element(count + k);
  }
}

int64_t nearest_source(const Resize& attributes, const ResizeAxis& axis, int64_t i) {
  const double exact = place_on_input(attributes, axis, i);
  if (lies_outside(attributes, axis, exact)) return -1;
  // A scale that was rounded to float may miss a whole number by that much.
  const auto place = static_cast<double>(static_cast<float>(exact));
  double nearest = std::floor(place);
  const double beyond = place - nearest;
  switch (attributes.nearest) {
    case ops::NearestMode::round_prefer_floor:
      nearest += beyond > 0.5;
      break;
    case ops::NearestMode::round_prefer_ceil:
      nearest += beyond >= 0.5;
      break;
    case ops::NearestMode::floor:
      break;
    case ops::NearestMode::ceil:
      nearest += beyond > 0;
      break;
  }
  return static_cast<int64_t>(std::clamp(nearest, 0.0, static_cast<double>(axis.in - 1)));
}

int64_t ResizeWindow::size(const Resize& attributes, const ResizeAxis& axis) {
  return 2 - 2 * static_cast<int64_t>(window_start(attributes, axis));
}

ResizeWindow::ResizeWindow(const Resize& attributes, const ResizeAxis& axis, int64_t i)
    : in_(axis.in),
      squeeze_(kernel_squeeze(attributes, axis)),
      cubic_a_(attributes.cubic_a),
      cubic_(attributes.mode == ops::ResizeMode::cubic),
      exclude_outside_(attributes.exclude_outside) {
  const double place = place_on_input(attributes, axis, i);
  outside_ = lies_outside(attributes, axis, place);
  const double first = std::floor(place) + window_start(attributes, axis);
  first_ = outside_ ? 0 : static_cast<int64_t>(first);
  offset_ = first - place;
  if (!exclude_outside_ && squeeze_ == 1) return;  // the weights sum to 1 as they are
  double sum = 0;
  for (int64_t k = 0; k < size(attributes, axis); ++k) sum += raw_weight(k);
  if (sum != 0) sum_ = sum;
}

int64_t ResizeWindow::source(int64_t k) const {
  return std::clamp<int64_t>(first_ + k, 0, in_ - 1);
}

// The kernel at an element: a triangle, or Keys' cubic.
double ResizeWindow::raw_weight(int64_t k) const {
  if (exclude_outside_ && first_ + k != source(k)) return 0;
  const double t = std::abs(offset_ + static_cast<double>(k)) * squeeze_, a = cubic_a_;
  if (!cubic_) return std::max(0.0, 1 - t);
  if (t <= 1) return ((a + 2) * t - (a + 3)) * t * t + 1;
  return t < 2 ? ((a * t - 5 * a) * t + 8 * a) * t - 4 * a : 0;
}

}  // namespace pleat
