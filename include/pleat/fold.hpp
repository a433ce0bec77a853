#pragma once

#include <string>
#include <vector>

namespace pleat {

/// Where one batch normalization (or other per-channel affine) went when eval() prepared the inference graph.
struct FoldEntry {
  std::string layer;   ///< "bn1"
  bool folded;         ///< false: it stayed a step of its own
  std::string target;  ///< the layer that absorbed it: "conv1"; empty where it stayed
  std::string reason;  ///< the rule that folded it, or why it stayed
};

struct FoldReport {
  std::vector<FoldEntry> entries;  ///< in graph order
  int folded() const;
  int left() const;
};

}  // namespace pleat
