#include "passes/affine.hpp"

#include <algorithm>
#include <cmath>

#include "graph/edit.hpp"

namespace pleat {

bool Affine::shifts() const {
  return std::any_of(shift.begin(), shift.end(), [](double t) { return t != 0; });
}

bool Affine::scales() const {
  return std::any_of(scale.begin(), scale.end(), [](double s) { return s != 1; });
}

Affine identity_affine(int rank) {
  return {Shape(std::vector<int64_t>(static_cast<size_t>(rank), 1)), {1}, {0}};
}

std::vector<int64_t> places(const Shape& pattern, const Shape& full) {
  std::vector<int64_t> at = {0};
  at.reserve(static_cast<size_t>(full.numel()));
  for (int d = 0; d < full.rank(); ++d) {
    std::vector<int64_t> next;
    next.reserve(at.size() * static_cast<size_t>(full[d]));
    for (int64_t place : at) {
      for (int64_t i = 0; i < full[d]; ++i) next.push_back(place * pattern[d] + (pattern[d] == 1 ? 0 : i));
    }
    at = std::move(next);
  }
  return at;
}

Affine composed(const Affine& first, const Affine& second) {
  Affine both{first.shape, {}, {}};
  for (int d = 0; d < both.shape.rank(); ++d) both.shape[d] = std::max(first.shape[d], second.shape[d]);
  const std::vector<int64_t> one = places(first.shape, both.shape), two = places(second.shape, both.shape);
  for (size_t i = 0; i < one.size(); ++i) {
    const auto a = static_cast<size_t>(one[i]), b = static_cast<size_t>(two[i]);
    both.scale.push_back(first.scale[a] * second.scale[b]);
    both.shift.push_back(first.shift[a] * second.scale[b] + second.shift[b]);
  }
  return both;
}

std::optional<Affine> along(const Affine& affine, int dim, int64_t size) {
  for (int d = 0; d < affine.shape.rank(); ++d) {
    if (d != dim && affine.varies_along(d)) return std::nullopt;
  }
  Affine channels{{size}, affine.scale, affine.shift};
  if (affine.shape[dim] == 1) {
    channels.scale.assign(static_cast<size_t>(size), affine.scale[0]);
    channels.shift.assign(static_cast<size_t>(size), affine.shift[0]);
  }
  return channels;
}

namespace {

// Takes the first needed entry of each run along `dim` where all needed ones agree.
void collapse(Affine& a, std::vector<bool>& needed, int dim) {
  const auto count = static_cast<size_t>(a.shape[dim]);
  const auto inner = static_cast<size_t>(a.shape.product(dim + 1, a.shape.rank()));
  const size_t outer = a.scale.size() / std::max<size_t>(1, count * inner);
  Affine small{a.shape, {}, {}};
  small.shape[dim] = 1;
  std::vector<bool> small_needed;
  for (size_t o = 0; o < outer; ++o) {
    for (size_t i = 0; i < inner; ++i) {
      size_t chosen = o * count * inner + i;
      for (size_t j = 0; j < count; ++j) {
        const size_t at = (o * count + j) * inner + i;
        if (!needed[at]) continue;
        if (!needed[chosen]) chosen = at;
        if (a.scale[at] != a.scale[chosen] || a.shift[at] != a.shift[chosen]) return;
      }
      small.scale.push_back(a.scale[chosen]);
      small.shift.push_back(a.shift[chosen]);
      small_needed.push_back(needed[chosen]);
    }
  }
  a = std::move(small);
  needed = std::move(small_needed);
}

}  // namespace

Affine compacted(Affine full, std::vector<bool> needed) {
  if (needed.empty()) needed.assign(full.scale.size(), true);
  for (int d = full.shape.rank() - 1; d >= 0; --d) {
    if (full.shape[d] > 1) collapse(full, needed, d);
  }
  return full;
}

double largest(std::span<const double> values) {
  double most = 0;
  for (double value : values) most = std::max(most, std::abs(value));
  return most;
}

std::vector<double> constant_values(const GraphData& graph, ValueId constant) {
  const Tensor values = graph.value(constant).data.to(DType::f64);
  const std::span<const double> span = values.span<double>();
  return {span.begin(), span.end()};
}

ValueId add_vector(GraphData& graph, std::string name, std::span<const double> values, DType dtype) {
  const Tensor data =
      Tensor::from<double>({static_cast<int64_t>(values.size())}, {values.begin(), values.end()});
  return add_constant(graph, std::move(name), data.to(dtype));
}

bool is_constant(const GraphData& graph, ValueId value) {
  return value != kAbsent && graph.value(value).kind == ValueKind::constant;
}

void set_input(Node& node, size_t i, ValueId value) {
  if (node.inputs.size() <= i) node.inputs.resize(i + 1, kAbsent);
  node.inputs[i] = value;
}

}  // namespace pleat
