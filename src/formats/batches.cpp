#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "base/format.hpp"
#include "base/parallel.hpp"
#include "base/random.hpp"
#include "formats/augmentation.hpp"
#include "pleat/data.hpp"

namespace pleat {
namespace {

/// What the loops need to know of a data set, checked.
struct Items {
  explicit Items(const Dataset& data) {
    if (!data.inputs.defined() || !data.labels.defined()) fail("data: the data set is empty");
    const Shape& shape = data.inputs.shape();
    if (data.inputs.dtype() != DType::f32 || data.labels.dtype() != DType::i64) {
      fail("data: inputs must be f32 and labels i64, got ", name_of(data.inputs.dtype()), " and ",
           name_of(data.labels.dtype()));
    }
    if (shape.rank() < 2 || data.labels.shape() != Shape{shape[0]}) {
      fail("data: inputs (N, ...) and labels (N) are needed, got ", shape.str(), " and ",
           data.labels.shape().str());
    }
    count = shape[0];
    channels = shape[1];
    plane = shape.product(2, shape.rank());
  }

  int64_t size() const { return channels * plane; }
  void check(std::span<const int64_t> positions) const {
    for (const int64_t position : positions) {
      if (position < 0 || position >= count) {
        fail("data: position ", position, " is not in a data set of ", count);
      }
    }
  }

  int64_t count, channels, plane;
};

size_t float_bytes(int64_t count) {
  return static_cast<size_t>(count) * sizeof(float);
}

Shape batch_shape(const Tensor& inputs, size_t items) {
  Shape shape = inputs.shape();
  shape[0] = static_cast<int64_t>(items);
  return shape;
}

/// Makes a tensor of that shape and type, unless it is one already.
void provide(Tensor& tensor, const Shape& shape, DType dtype) {
  if (!tensor.defined() || tensor.shape() != shape || tensor.dtype() != dtype) tensor = Tensor(shape, dtype);
}

}  // namespace

Dataset Dataset::select(std::span<const int64_t> positions) const {
  Dataset part;
  make_batch(*this, positions, {}, /*seed=*/0, part.inputs, part.labels);
  part.classes = classes;
  return part;
}

Normalization measure(const Dataset& data) {
  const Items items(data);
  if (items.count == 0 || items.plane == 0) fail("measure: the data set is empty");
  // Sums of the distance to the first value: exact where a channel is constant, and no digits are lost where
  // the mean is far above the deviation. Items are cut in chunks of a fixed size for the same bits always.
  constexpr int64_t chunk = 256;
  const int64_t chunks = (items.count + chunk - 1) / chunk;
  const auto channels = static_cast<size_t>(items.channels);
  const float* values = data.inputs.data<float>();
  std::vector<double> sums(static_cast<size_t>(chunks) * channels * 2);
  parallel_for(chunks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin * chunk; i < std::min(end * chunk, items.count); ++i) {
      double* sum = sums.data() + static_cast<size_t>(i / chunk) * channels * 2;
      for (int64_t c = 0; c < items.channels; ++c, sum += 2) {
        const double first = values[c * items.plane];
        const float* plane = values + (i * items.channels + c) * items.plane;
        double total = 0, squares = 0;
        for (int64_t p = 0; p < items.plane; ++p) {
          const double distance = plane[p] - first;
          total += distance;
          squares += distance * distance;
        }
        sum[0] += total;
        sum[1] += squares;
      }
    }
  });

  Normalization result;
  const auto count = static_cast<double>(items.count * items.plane);
  for (size_t c = 0; c < channels; ++c) {
    double total = 0, squares = 0;
    for (size_t i = c * 2; i < sums.size(); i += channels * 2) {
      total += sums[i];
      squares += sums[i + 1];
    }
    const double distance = total / count;
    const double deviation = std::sqrt(std::max(0.0, squares / count - distance * distance));
    result.mean.push_back(static_cast<float>(values[static_cast<int64_t>(c) * items.plane] + distance));
    result.std.push_back(deviation > 0 ? static_cast<float>(deviation) : 1);
  }
  return result;
}

void normalize(Dataset& data, const Normalization& normalization) {
  const Items items(data);
  const auto &mean = normalization.mean, &std = normalization.std;
  const auto channels = static_cast<size_t>(items.channels);
  if (mean.size() != channels || std.size() != channels) {
    fail("normalize: ", mean.size(), " means and ", std.size(), " deviations for ", channels, " channels");
  }
  if (!std::all_of(std.begin(), std.end(), [](float value) { return value > 0 && std::isfinite(value); })) {
    fail("normalize: every deviation must be above 0");
  }
  float* values = data.inputs.data<float>();
  parallel_for(items.count, grain_for(items.size()), [&](int64_t begin, int64_t end) {
    float* plane = values + begin * items.size();
    for (int64_t i = begin; i < end; ++i) {
      for (size_t c = 0; c < channels; ++c, plane += items.plane) {
        for (int64_t p = 0; p < items.plane; ++p) plane[p] = (plane[p] - mean[c]) / std[c];
      }
    }
  });
}

void make_batch(const Dataset& data, std::span<const int64_t> positions, const Augmentation& augmentation,
                uint64_t seed, Tensor& inputs, Tensor& labels) {
  const Items items(data);
  items.check(positions);
  const Shape& shape = data.inputs.shape();
  const bool augmented = augmentation.changes();
  if (augmented) check_augmentation(augmentation, shape);
  const auto count = static_cast<int64_t>(positions.size());
  provide(inputs, batch_shape(data.inputs, positions.size()), DType::f32);
  provide(labels, {count}, DType::i64);

  const float* from = data.inputs.data<float>();
  const int64_t* from_labels = data.labels.data<int64_t>();
  float* to = inputs.data<float>();
  int64_t* to_labels = labels.data<int64_t>();
  const int64_t size = items.size();
  parallel_for(count, grain_for(size), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t position = positions[static_cast<size_t>(i)];
      to_labels[i] = from_labels[position];
      const float* item = from + position * size;
      if (!augmented) {
        if (size > 0) std::memcpy(to + i * size, item, float_bytes(size));
        continue;
      }
      Random random(Random::mix(seed, static_cast<uint64_t>(i)));
      augment(item, shape, augmentation, random, to + i * size);
    }
  });
}

std::vector<int64_t> shuffled(int64_t n, uint64_t seed) {
  std::vector<int64_t> order(static_cast<size_t>(std::max<int64_t>(0, n)));
  std::iota(order.begin(), order.end(), 0);
  Random random(seed);
  // Fisher and Yates
  for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
  return order;
}

}  // namespace pleat
