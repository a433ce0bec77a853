#include "lr_report.hpp"

#include <algorithm>
#include <cmath>

#include "table.hpp"

namespace pleat::tools {

void print_lr_range(std::ostream& out, const LrRange& range) {
  constexpr size_t kRows = 24, kBarWidth = 40;
  const auto& curve = range.curve;
  const auto by_loss = [](const LrPoint& a, const LrPoint& b) { return a.smoothed < b.smoothed; };
  const double lowest = std::min_element(curve.begin(), curve.end(), by_loss)->smoothed;
  // Of the start, so that divergence does not flatten the rest.
  const double highest = std::max(curve.front().smoothed, lowest * 1.01);
  Table table({{"lr", Align::right}, {"loss", Align::right}, {"smoothed", Align::right}, {"", Align::left}});
  const size_t stride = std::max<size_t>(1, (curve.size() + kRows - 1) / kRows);
  for (size_t i = 0; i < curve.size(); i += stride) {
    const LrPoint& point = curve[i];
    const double share = std::clamp((point.smoothed - lowest) / (highest - lowest), 0.0, 1.0);
    const bool suggested =
        i + stride < curve.size() && point.lr <= range.suggestion && curve[i + stride].lr > range.suggestion;
    table.add({number("%.2g", point.lr), number("%.4f", point.loss), number("%.4f", point.smoothed),
               std::string(static_cast<size_t>(share * kBarWidth), '*') + (suggested ? " <-" : "")});
  }
  table.print(out);
  if (range.diverged) out << "the loss diverged above a rate of " << number("%.2g", curve.back().lr) << '\n';
  if (std::isnan(range.suggestion)) {
    out << "no rate to suggest: the loss did not fall\n";
  } else {
    out << "suggested: --lr " << number("%.2g", range.suggestion) << '\n';
  }
}

Json lr_range_json(const LrRange& range) {
  Json curve = Json::array();
  for (const LrPoint& point : range.curve) {
    curve.push_back({{"lr", point.lr}, {"loss", point.loss}, {"smoothed", point.smoothed}});
  }
  return {{"suggestion", range.suggestion}, {"diverged", range.diverged}, {"curve", curve}};
}

}  // namespace pleat::tools
