#pragma once

#include <cstddef>
#include <cstdint>

namespace pleat::formats {

/// Bytes as numbers in [0, 1].
inline void scale_pixels(const uint8_t* bytes, size_t count, float* values) {
  constexpr float brightest = 255;
  for (size_t i = 0; i < count; ++i) values[i] = static_cast<float>(bytes[i]) / brightest;
}

}  // namespace pleat::formats
