#pragma once

#include "pleat/certify.hpp"

namespace pleat {

/// The largest difference of an element and the largest magnitude of the reference, over any number of pairs.
/// A value that is NaN or infinite in one and not the same in the other differs infinitely.
class Difference {
 public:
  /// Error where the shapes differ; `name` says whose.
  void add(const Tensor& got, const Tensor& reference, const std::string& name);
  double max_abs() const { return max_abs_; }
  double scale() const { return scale_; }
  double max_rel() const;

 private:
  double max_abs_ = 0, scale_ = 0;
};

/// One Difference an output.
struct OutputDifferences {
  std::vector<Difference> outputs;

  void add(const std::vector<Tensor>& got, const std::vector<Tensor>& reference,
           const std::vector<std::string>& names);
  OutputError error() const;
  double scale() const;
};

}  // namespace pleat
