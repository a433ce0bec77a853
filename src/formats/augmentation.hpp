#pragma once

#include "base/random.hpp"
#include "pleat/data.hpp"

namespace pleat {

/// Error where images of shape (N, C, H, W) cannot be augmented so.
void check_augmentation(const Augmentation& augmentation, const Shape& shape);

/// One image of these, augmented, into `target`.
void augment(const float* image, const Shape& shape, const Augmentation& augmentation, Random& random,
             float* target);

}  // namespace pleat
