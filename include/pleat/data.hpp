#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pleat/tensor.hpp"

namespace pleat {

/// Labelled items in memory.
struct Dataset {
  Tensor inputs;  ///< f32 (N, features) or (N, C, H, W)
  Tensor labels;  ///< i64 (N), each in [0, classes)
  int64_t classes = 0;

  int64_t size() const { return labels.defined() ? labels.numel() : 0; }
  /// The items at those positions, in that order.
  Dataset select(std::span<const int64_t> positions) const;
};

struct Split {
  Dataset train, test;
};

/// What was left out of data because it was broken.
struct Skipped {
  int64_t items = 0;
  std::vector<std::string>
      reasons;  ///< file, place and fault of each; a file that ends too early: one for all
};

// The readers leave broken items out where they are given a Skipped, and add to it what those were. Without
// one, and where a fault is not one item's, they are an Error.

/// CSV with a header line; the last column is the class: whole numbers from 0, or names, which are numbered
/// in alphabetical order. Error names line and column of a bad number, NaN or infinity, the line of a wrong
/// length; it is also an Error when all lines are of one class.
Dataset read_csv(const std::filesystem::path& file, Skipped* skipped = nullptr);
/// The UCI digits' CSV (no header; 64 pixels and the digit a line) as (N, 1, 8, 8), values divided by 16.
Dataset read_digits(const std::filesystem::path& file, Skipped* skipped = nullptr);
/// One part of an IDX data set (MNIST, Fashion-MNIST), plain or gzip, values divided by 255; (N, 1, H, W). As
/// many classes as the highest label says.
Dataset read_idx(const std::filesystem::path& images, const std::filesystem::path& labels,
                 Skipped* skipped = nullptr);
/// Files of CIFAR-10's binary layout, values divided by 255; (N, 3, 32, 32).
Dataset read_cifar10(std::span<const std::filesystem::path> files, Skipped* skipped = nullptr);

/// "digits", "csv:FILE", "idx:DIR" or "cifar10:DIR". Where the data has no test part of its own, a fixed 20 %
/// of it (always the same, stratified by class) is taken. "digits" is uci_digits_8x8.csv in the first of
/// these folders that has it: PLEAT_DATA, `data/` in the working folder, in Pleat's sources, and where it was
/// installed. DIR holds MNIST's four files under their usual names (train-images-idx3-ubyte, t10k-..., also
/// with .gz or .idx3-ubyte), or CIFAR-10's data_batch_1.bin to data_batch_5.bin and test_batch.bin (also
/// inside cifar-10-batches-bin). Error says what is missing.
Split load_data(std::string_view spec, Skipped* skipped = nullptr);

/// Per-channel normalization of inputs: (x - mean) / std, one value a channel (or a feature, for flat
/// inputs).
struct Normalization {
  std::vector<float> mean, std;
};
/// The mean and standard deviation (biased) of a data set, per channel; std 1 where a channel is constant.
Normalization measure(const Dataset& data);
/// In place, so also for copies that share the inputs.
void normalize(Dataset& data, const Normalization& normalization);

/// Random changes of training images (N, C, H, W), in this order.
struct Augmentation {
  int64_t crop_padding = 0;  ///< zeros around the image, of which a random window is cut; at most min(H, W)
  bool flip = false;         ///< horizontally, with probability 1/2
  /// Probability that a rectangle becomes zeros, which is the mean of normalized images: of 2 to 33 % of the
  /// area, sides from 0.3 to 3.3 to one (random erasing, Zhong et al. 2020; sizes as in torchvision).
  double erase = 0;

  /// Whether it does anything.
  bool changes() const { return crop_padding != 0 || flip || erase != 0; }
};

/// Items `positions` of `data` into `inputs` (positions.size(), ...) and `labels`, augmented. Tensors that
/// have the right shape are written to, others made anew. The random choices depend on `seed` and each item's
/// place in `positions` only.
void make_batch(const Dataset& data, std::span<const int64_t> positions, const Augmentation& augmentation,
                uint64_t seed, Tensor& inputs, Tensor& labels);

/// A permutation of 0..n-1 that depends on `seed` only.
std::vector<int64_t> shuffled(int64_t n, uint64_t seed);

}  // namespace pleat
