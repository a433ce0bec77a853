#include "api/output_error.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/format.hpp"

namespace pleat {
namespace {

double distance(double got, double reference) {
  if (got == reference || (std::isnan(got) && std::isnan(reference))) return 0;
  const double difference = std::abs(got - reference);
  return std::isfinite(difference) ? difference : std::numeric_limits<double>::infinity();
}

}  // namespace

void Difference::add(const Tensor& got, const Tensor& reference, const std::string& name) {
  if (got.shape() != reference.shape()) {
    fail(name, " is ", got.shape().str(), " in one network and ", reference.shape().str(), " in the other");
  }
  const Tensor a = got.to(DType::f64), b = reference.to(DType::f64);
  const double *x = a.data<double>(), *y = b.data<double>();
  for (int64_t i = 0; i < b.numel(); ++i) {
    max_abs_ = std::max(max_abs_, distance(x[i], y[i]));
    if (std::isfinite(y[i])) scale_ = std::max(scale_, std::abs(y[i]));
  }
}

double Difference::max_rel() const {
  return max_abs_ == 0 ? 0 : max_abs_ / std::max(scale_, std::numeric_limits<double>::min());
}

void OutputDifferences::add(const std::vector<Tensor>& got, const std::vector<Tensor>& reference,
                            const std::vector<std::string>& names) {
  outputs.resize(reference.size());
  for (size_t i = 0; i < reference.size(); ++i) outputs[i].add(got[i], reference[i], names[i]);
}

OutputError OutputDifferences::error() const {
  OutputError error;
  for (const Difference& output : outputs) {
    error.max_abs = std::max(error.max_abs, output.max_abs());
    error.max_rel = std::max(error.max_rel, output.max_rel());
  }
  return error;
}

double OutputDifferences::scale() const {
  double scale = 0;
  for (const Difference& output : outputs) scale = std::max(scale, output.scale());
  return scale;
}

}  // namespace pleat
