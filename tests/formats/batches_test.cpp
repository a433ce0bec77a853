#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/parallel.hpp"
#include "pleat/data.hpp"

using namespace pleat;

namespace {

/// Items of distinct pixels above 0, label = position.
Dataset images(int64_t count, int64_t channels, int64_t height, int64_t width) {
  Dataset data{Tensor({count, channels, height, width}), Tensor({count}, DType::i64), count};
  auto inputs = data.inputs.span<float>();
  std::iota(inputs.begin(), inputs.end(), 1.0f);
  auto labels = data.labels.span<int64_t>();
  std::iota(labels.begin(), labels.end(), 0);
  return data;
}

std::vector<int64_t> all_positions(const Dataset& data) {
  std::vector<int64_t> positions(static_cast<size_t>(data.size()));
  std::iota(positions.begin(), positions.end(), 0);
  return positions;
}

Tensor batch(const Dataset& data, const std::vector<int64_t>& positions, const Augmentation& augmentation,
             uint64_t seed) {
  Tensor inputs, labels;
  make_batch(data, positions, augmentation, seed, inputs, labels);
  return inputs;
}

bool equal(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && std::ranges::equal(a.span<float>(), b.span<float>());
}

/// The pixel of a (C, H, W) image moved up and left, then mirrored; the definition, pixel by pixel.
float moved(const float* image, const Shape& shape, int64_t c, int64_t y, int64_t x, int64_t up, int64_t left,
            bool flip) {
  const int64_t height = shape[2], width = shape[3];
  const int64_t from_y = y + up, from_x = (flip ? width - 1 - x : x) + left;
  if (from_y < 0 || from_y >= height || from_x < 0 || from_x >= width) return 0;
  return image[(c * height + from_y) * width + from_x];
}

/// How many (up, left, flip) turn the item into `result`.
int explanations(const float* item, const float* result, const Shape& shape, int64_t padding, bool flips) {
  int found = 0;
  for (int64_t up = -padding; up <= padding; ++up) {
    for (int64_t left = -padding; left <= padding; ++left) {
      for (int flip = 0; flip <= (flips ? 1 : 0); ++flip) {
        bool same = true;
        const float* pixel = result;
        for (int64_t c = 0; c < shape[1]; ++c) {
          for (int64_t y = 0; y < shape[2]; ++y) {
            for (int64_t x = 0; x < shape[3]; ++x) {
              same = same && *pixel++ == moved(item, shape, c, y, x, up, left, flip == 1);
            }
          }
        }
        found += same ? 1 : 0;
      }
    }
  }
  return found;
}

}  // namespace

TEST_CASE("make_batch: the items in the order of the positions") {
  const Dataset data = images(5, 2, 3, 4);
  const std::vector<int64_t> positions{4, 0, 4};
  Tensor inputs, labels;
  make_batch(data, positions, {}, 1, inputs, labels);
  CHECK(inputs.shape() == Shape{3, 2, 3, 4});
  for (size_t i = 0; i < positions.size(); ++i) {
    CHECK(labels.span<int64_t>()[i] == positions[i]);
    for (size_t p = 0; p < 24; ++p) {
      CHECK(inputs.span<float>()[i * 24 + p] ==
            data.inputs.span<float>()[static_cast<size_t>(positions[i]) * 24 + p]);
    }
  }
}

TEST_CASE("make_batch: tensors of the right shape are used again") {
  const Dataset data = images(5, 1, 2, 2);
  Tensor inputs, labels;
  make_batch(data, std::vector<int64_t>{0, 1}, {}, 1, inputs, labels);
  const void* before = std::as_const(inputs).raw();
  make_batch(data, std::vector<int64_t>{2, 3}, {}, 1, inputs, labels);
  CHECK(std::as_const(inputs).raw() == before);
  CHECK(labels.span<int64_t>()[1] == 3);
  make_batch(data, std::vector<int64_t>{2}, {}, 1, inputs, labels);
  CHECK(inputs.shape() == Shape{1, 1, 2, 2});
}

TEST_CASE("make_batch: crops and flips are windows of the padded, mirrored image") {
  const Dataset data = images(300, 2, 5, 4);
  const Shape& shape = data.inputs.shape();
  for (const int64_t padding : {0, 1, 3}) {
    for (const bool flip : {false, true}) {
      CAPTURE(padding);
      CAPTURE(flip);
      const Tensor result = batch(data, all_positions(data), {padding, flip}, 7);
      int unexplained = 0, changed = 0;
      for (int64_t i = 0; i < data.size(); ++i) {
        const float* item = data.inputs.data<float>() + i * 40;
        const float* got = result.data<float>() + i * 40;
        unexplained += explanations(item, got, shape, padding, flip) == 1 ? 0 : 1;
        changed += std::equal(item, item + 40, got) ? 0 : 1;
      }
      CHECK(unexplained == 0);
      // One of (2 * padding + 1)^2 windows, times two where flipped, is the item itself.
      const double kept = 1.0 / ((2.0 * padding + 1) * (2.0 * padding + 1) * (flip ? 2 : 1));
      CHECK(changed / 300.0 == doctest::Approx(1 - kept).epsilon(0.15));
    }
  }
}

TEST_CASE("make_batch: erasing makes one rectangle zeros, in every channel, with its probability") {
  constexpr int64_t count = 400, channels = 2, height = 20, width = 16;
  Dataset data = images(count, channels, height, width);
  for (float& x : data.inputs.span<float>()) x = 1 + std::abs(x);
  const Tensor result = batch(data, all_positions(data), {.erase = 0.5}, 7);
  int erased = 0, wrong = 0;
  double area = 0, tall = 0;
  for (int64_t i = 0; i < count; ++i) {
    const float* before = data.inputs.data<float>() + i * channels * height * width;
    const float* after = result.data<float>() + i * channels * height * width;
    int64_t top = height, bottom = 0, left = width, right = 0, zeros = 0;
    for (int64_t p = 0; p < channels * height * width; ++p) {
      if (after[p] == before[p]) continue;
      const int64_t y = p / width % height, x = p % width;
      wrong += after[p] == 0 ? 0 : 1;
      top = std::min(top, y);
      bottom = std::max(bottom, y + 1);
      left = std::min(left, x);
      right = std::max(right, x + 1);
      ++zeros;
    }
    if (zeros == 0) continue;
    ++erased;
    const int64_t h = bottom - top, w = right - left;
    wrong += zeros == channels * h * w ? 0 : 1;
    area += static_cast<double>(h * w) / (height * width);
    tall += h > w ? 1 : 0;
  }
  CHECK(wrong == 0);
  CHECK(erased / 400.0 == doctest::Approx(0.5).epsilon(0.15));
  CHECK(area / erased == doctest::Approx(0.17).epsilon(0.15));
  CHECK(tall / erased == doctest::Approx(0.5).epsilon(0.3));
}

TEST_CASE("make_batch: depends on seed and place only") {
  const Dataset data = images(64, 3, 8, 8);
  const Augmentation augmentation{2, true, 0.5};
  const std::vector<int64_t> positions = shuffled(64, 3);
  const Tensor once = batch(data, positions, augmentation, 11);
  CHECK(equal(once, batch(data, positions, augmentation, 11)));
  CHECK_FALSE(equal(once, batch(data, positions, augmentation, 12)));
  for (const int threads : {1, 2, 3, 8}) {
    Arena(threads).execute([&] { CHECK(equal(once, batch(data, positions, augmentation, 11))); });
  }
  // The first places are the same when more follow.
  const Tensor part = batch(data, {positions.begin(), positions.begin() + 10}, augmentation, 11);
  CHECK(std::equal(part.span<float>().begin(), part.span<float>().end(), once.span<float>().begin()));
}

TEST_CASE("make_batch: wrong positions, augmentation or data") {
  const Dataset data = images(3, 1, 4, 6);
  CHECK_THROWS_WITH_AS(batch(data, {0, 3}, {}, 1), doctest::Contains("position 3"), Error);
  CHECK_THROWS_WITH_AS(batch(data, {-1}, {}, 1), doctest::Contains("position -1"), Error);
  CHECK_THROWS_WITH_AS(batch(data, {0}, {5, false}, 1), doctest::Contains("from 0 to 4"), Error);
  CHECK_THROWS_WITH_AS(batch(data, {0}, {-1, false}, 1), doctest::Contains("crop padding"), Error);
  CHECK_THROWS_WITH_AS(batch(data, {0}, {.erase = 1.5}, 1), doctest::Contains("from 0 to 1, got 1.5"), Error);
  const Dataset flat{Tensor({3, 4}), Tensor({3}, DType::i64), 2};
  CHECK_THROWS_WITH_AS(batch(flat, {0}, {0, true}, 1), doctest::Contains("(N, C, H, W)"), Error);
  const Dataset uneven{Tensor({3, 4}), Tensor({2}, DType::i64), 2};
  CHECK_THROWS_WITH_AS(batch(uneven, {0}, {}, 1), doctest::Contains("labels (N)"), Error);
  CHECK_THROWS_WITH_AS(batch({}, {}, {}, 1), doctest::Contains("empty"), Error);
}

TEST_CASE("select: the items at those positions") {
  const Dataset part = images(6, 1, 2, 2).select(std::vector<int64_t>{5, 1});
  CHECK(part.size() == 2);
  CHECK(part.classes == 6);
  CHECK(part.labels.span<int64_t>()[0] == 5);
  CHECK(part.inputs.span<float>()[4] == 5);
  CHECK(images(6, 1, 2, 2).select({}).size() == 0);
}

TEST_CASE("measure and normalize: mean 0 and deviation 1 a channel") {
  constexpr int64_t count = 1000, channels = 3, plane = 6;
  Dataset data = images(count, channels, 2, 3);
  auto inputs = data.inputs.span<float>();
  double sum = 0, squares = 0;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const size_t channel = i / plane % channels;
    // Channel 1: mean / deviation about 1e4; channel 2: constant.
    inputs[i] = channel == 2 ? 0.1f : (channel == 1 ? 1e4f : 0.5f) + std::sin(static_cast<float>(i));
    if (channel == 1) sum += inputs[i];
  }
  const double mean = sum / (count * plane);
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (i / plane % channels == 1) squares += (inputs[i] - mean) * (inputs[i] - mean);
  }
  const Normalization normalization = measure(data);
  CHECK(normalization.mean[1] == doctest::Approx(mean).epsilon(1e-7));
  CHECK(normalization.std[1] == doctest::Approx(std::sqrt(squares / (count * plane))).epsilon(1e-6));
  CHECK(normalization.mean[2] == 0.1f);
  CHECK(normalization.std[2] == 1);
  for (const int threads : {1, 3}) {
    Arena(threads).execute([&] {
      const Normalization again = measure(data);
      CHECK(again.mean == normalization.mean);
      CHECK(again.std == normalization.std);
    });
  }
  normalize(data, normalization);
  const Normalization after = measure(data);
  CHECK(std::abs(after.mean[0]) < 1e-6);
  CHECK(after.std[0] == doctest::Approx(1).epsilon(1e-6));
  CHECK(after.mean[2] == 0);
}

TEST_CASE("measure and normalize: flat inputs, one value a feature") {
  Dataset data{Tensor::from<float>({2, 3}, {1, 2, 3, 3, 2, 7}), Tensor({2}, DType::i64), 2};
  const Normalization normalization = measure(data);
  CHECK(normalization.mean == std::vector<float>{2, 2, 5});
  CHECK(normalization.std == std::vector<float>{1, 1, 2});
  normalize(data, normalization);
  CHECK(std::ranges::equal(data.inputs.span<float>(), std::vector<float>{-1, 0, -1, 1, 0, 1}));
  CHECK_THROWS_WITH_AS(normalize(data, {{1}, {1}}), doctest::Contains("3 channels"), Error);
  CHECK_THROWS_WITH_AS(normalize(data, {{0, 0, 0}, {1, 0, 1}}), doctest::Contains("above 0"), Error);
  CHECK_THROWS_AS(measure(Dataset{}), Error);
}

TEST_CASE("shuffled: a permutation by seed") {
  std::vector<int64_t> order = shuffled(1000, 5);
  CHECK(order == shuffled(1000, 5));
  CHECK(order != shuffled(1000, 6));
  CHECK_FALSE(std::ranges::is_sorted(order));
  std::ranges::sort(order);
  for (int64_t i = 0; i < 1000; ++i) CHECK(order[static_cast<size_t>(i)] == i);
  CHECK(shuffled(0, 1).empty());
  CHECK(shuffled(1, 1) == std::vector<int64_t>{0});
}
