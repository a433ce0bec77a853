#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace pleat {

enum class FoldKind : uint8_t {
  batch_norm,
  affine  ///< an addition, subtraction, multiplication or division by a constant
};

/// Where one batch normalization (or other per-channel affine) went when eval() prepared the inference graph.
struct FoldEntry {
  std::string layer;   ///< "bn1"
  bool folded;         ///< false: it stayed a step of its own
  std::string target;  ///< the layers that absorbed it: "conv1"; empty where it stayed
  std::string reason;  ///< the rule that folded it, or why it stayed
  FoldKind kind = FoldKind::batch_norm;
  double largest_scale = 0;  ///< largest |scale| among the channels of y = x * scale + shift
  /// Largest |mean| / deviation among the channels; of an affine |shift|, as if results were of size 1.
  /// Folded forward that much is lost to rounding.
  double largest_offset = 0;
};

struct FoldReport {
  std::vector<FoldEntry> entries;  ///< in graph order
  int folded(FoldKind kind = FoldKind::batch_norm) const;
  int left(FoldKind kind = FoldKind::batch_norm) const;
};

}  // namespace pleat
