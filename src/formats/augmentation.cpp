#include "formats/augmentation.hpp"

#include <algorithm>
#include <cmath>

#include "base/format.hpp"

namespace pleat {
namespace {

/// How far an image moves up and left, and whether it is mirrored then.
struct Window {
  int64_t up, left;
  bool flip;
};

/// The row moved left, zeros where it has none, mirrored or not.
void copy_row(const float* row, int64_t width, int64_t left, bool flip, float* target) {
  const int64_t begin = std::max<int64_t>(0, -left), end = std::min(width, width - left);
  std::fill(target, target + (flip ? width - end : begin), 0.0f);
  std::fill(target + (flip ? width - begin : end), target + width, 0.0f);
  if (flip) {
    std::reverse_copy(row + begin + left, row + end + left, target + width - end);
  } else {
    std::copy(row + begin + left, row + end + left, target + begin);
  }
}

void copy_window(const float* image, const Shape& shape, const Window& window, float* target) {
  const int64_t height = shape[2], width = shape[3];
  for (int64_t c = 0; c < shape[1]; ++c, image += height * width) {
    for (int64_t y = 0; y < height; ++y, target += width) {
      const int64_t from = y + window.up;
      if (from < 0 || from >= height) {
        std::fill(target, target + width, 0.0f);
      } else {
        copy_row(image + from * width, width, window.left, window.flip, target);
      }
    }
  }
}

// Erases a rectangle, unless ten drawn at random are all too large for the image.
void erase_rectangle(const Shape& shape, Random& random, float* image) {
  constexpr int kTries = 10;
  const int64_t height = shape[2], width = shape[3];
  for (int i = 0; i < kTries; ++i) {
    const double area = static_cast<double>(height * width) * random.uniform(0.02, 0.33);
    const double ratio = std::exp(random.uniform(std::log(0.3), std::log(3.3)));
    const int64_t h = std::lround(std::sqrt(area * ratio)), w = std::lround(std::sqrt(area / ratio));
    if (h >= height || w >= width) continue;
    const auto top = static_cast<int64_t>(random.below(static_cast<uint64_t>(height - h + 1)));
    const auto left = static_cast<int64_t>(random.below(static_cast<uint64_t>(width - w + 1)));
    for (int64_t c = 0; c < shape[1]; ++c) {
      for (int64_t y = top; y < top + h; ++y) std::fill_n(image + (c * height + y) * width + left, w, 0.0f);
    }
    return;
  }
}

}  // namespace

void check_augmentation(const Augmentation& augmentation, const Shape& shape) {
  if (shape.rank() != 4) fail("augmentation: images (N, C, H, W) are needed, got ", shape.str());
  const int64_t most = std::min(shape[2], shape[3]);
  if (augmentation.crop_padding < 0 || augmentation.crop_padding > most) {
    fail("augmentation: crop padding must be from 0 to ", most, " for images of ", shape[2], " x ", shape[3],
         ", got ", augmentation.crop_padding);
  }
  if (!(augmentation.erase >= 0 && augmentation.erase <= 1)) {
    fail("augmentation: the probability of erasing must be from 0 to 1, got ", augmentation.erase);
  }
}

void augment(const float* image, const Shape& shape, const Augmentation& augmentation, Random& random,
             float* target) {
  const int64_t padding = augmentation.crop_padding;
  const auto offset = [&] {
    return static_cast<int64_t>(random.below(static_cast<uint64_t>(2 * padding + 1))) - padding;
  };
  const int64_t up = offset(), left = offset();
  copy_window(image, shape, {up, left, augmentation.flip && random.below(2) == 1}, target);
  if (augmentation.erase > 0 && random.uniform() < augmentation.erase) erase_rectangle(shape, random, target);
}

}  // namespace pleat
