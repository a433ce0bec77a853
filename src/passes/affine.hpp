#pragma once

#include <optional>
#include <span>
#include <vector>

#include "graph/graph_data.hpp"

namespace pleat {

/// x -> x * scale + shift, in double. Both arrays have `shape`, which broadcasts to a value's: of its rank,
/// with size 1 along dimensions that nothing varies along.
struct Affine {
  Shape shape;
  std::vector<double> scale, shift;

  bool shifts() const;  ///< any shift but 0
  bool scales() const;  ///< any scale but 1
  bool varies_along(int dim) const { return shape[dim] != 1; }
};

/// The affine that is nothing, for values of that rank.
Affine identity_affine(int rank);
/// second(first(x)).
Affine composed(const Affine& first, const Affine& second);
/// One scale and shift for each of `size` channels along `dim`; nullopt where it varies along another.
std::optional<Affine> along(const Affine& affine, int dim, int64_t size);

/// For each element of `full`, the place of its scale and shift in arrays of the broadcast shape `pattern`.
std::vector<int64_t> places(const Shape& pattern, const Shape& full);
/// An affine with an entry for each element of `shape`, made smaller where entries repeat along a dimension.
/// Elements that are not `needed` (empty: all are) take whatever suits.
Affine compacted(Affine full, std::vector<bool> needed = {});

/// The largest magnitude among the values, 0 for none.
double largest(std::span<const double> values);

/// A constant's values in double.
std::vector<double> constant_values(const GraphData& graph, ValueId constant);
/// A constant of those values: f64 while passes still compute with it, f32 when it is final.
ValueId add_vector(GraphData& graph, std::string name, std::span<const double> values, DType dtype);

bool is_constant(const GraphData& graph, ValueId value);

void set_input(Node& node, size_t i, ValueId value);

}  // namespace pleat
