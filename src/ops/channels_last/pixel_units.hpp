#pragma once

#include <algorithm>

#include "ops/channels_last/geometry.hpp"

namespace pleat {

/// The output pixels of a convolution in units of a few hundred at most: where a product sums over a unit's
/// pixels, its panel of dy stays in the first cache. A unit is some rows of an image, or some images.
class PixelUnits {
 public:
  struct Unit {
    int64_t image, images, row, rows, pixels;
  };

  explicit PixelUnits(const ConvShape& shape)
      : batch_(shape.batch), height_(shape.out[0]), width_(shape.out[1]) {
    constexpr int64_t most = 256;
    const int64_t plane = std::max<int64_t>(1, height_ * width_);
    images_ = std::clamp<int64_t>(most / plane, 1, std::max<int64_t>(1, batch_));
    rows_ = std::max<int64_t>(1, divide_up(height_, divide_up(plane, most)));
    row_units_ = divide_up(height_, rows_);
  }

  int64_t count() const { return divide_up(batch_, images_) * row_units_; }
  /// The most of any unit.
  int64_t rows() const { return rows_; }
  int64_t pixels() const { return images_ * rows_ * width_; }

  Unit operator[](int64_t i) const {
    const int64_t image = i / row_units_ * images_, row = i % row_units_ * rows_;
    const int64_t images = std::min(images_, batch_ - image), rows = std::min(rows_, height_ - row);
    return {image, images, row, rows, images * rows * width_};
  }

 private:
  int64_t batch_, height_, width_;
  int64_t images_, rows_, row_units_;
};

}  // namespace pleat
