#include "ops/einsum_equation.hpp"

#include "base/format.hpp"

namespace pleat {

void Indices::push(int index) {
  if (count == kMaxRank) fail("einsum: goes up to rank ", kMaxRank);
  at[static_cast<size_t>(count++)] = index;
}

EinsumEquation::EinsumEquation(std::string_view text, int operands, FunctionRef<const Shape&(int)> shape_of)
    : text_(text) {
  if (operands < 1 || operands > kMostOperands) {
    fail("einsum: takes 1 to ", kMostOperands, " inputs, got ", operands);
  }
  const size_t arrow = text.find("->");
  std::string_view left = text.substr(0, arrow);
  for (int k = 0; k < operands; ++k) {
    const size_t comma = left.find(',');
    if ((comma == std::string_view::npos) != (k == operands - 1)) {
      fail("einsum: \"", text, "\" does not have as many terms as there are inputs: ", operands);
    }
    add_operand(static_cast<size_t>(k), left.substr(0, comma), shape_of(k));
    left.remove_prefix(comma == std::string_view::npos ? left.size() : comma + 1);
  }
  if (arrow != std::string_view::npos) {
    output_ = read(text.substr(arrow + 2), dots_);
    check_output();
  } else {
    for (int i = dots_ - 1; i >= 0; --i) output_.push(kLetters + i);
    for (int i = 0; i < kLetters; ++i) {
      if (uses_[static_cast<size_t>(i)] == 1) output_.push(i);
    }
  }
}

// The indices that a term names, where "..." is `dots` of them.
Indices EinsumEquation::read(std::string_view term, int dots) const {
  Indices indices;
  for (size_t i = 0; i < term.size(); ++i) {
    const char c = term[i];
    if (term.substr(i, 3) == "...") {
      for (int d = dots - 1; d >= 0; --d) indices.push(kLetters + d);
      i += 2;
    } else if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) {
      indices.push(c - 'A');
    } else if (c != ' ') {
      fail("einsum: \"", text_, "\" has ", c, ": needs letters, commas, \"...\" and \"->\"");
    }
  }
  return indices;
}

void EinsumEquation::add_operand(size_t k, std::string_view term, const Shape& shape) {
  const bool has_dots = term.find("...") != std::string_view::npos;
  const int letters = read(term, 0).count, dots = has_dots ? shape.rank() - letters : 0;
  if (dots < 0 || letters + dots != shape.rank()) {
    fail("einsum: \"", term, "\" does not have the rank of its input ", shape.str());
  }
  dots_ = std::max(dots_, dots);
  const Indices indices = read(term, dots);
  int64_t stride = 1;
  for (int d = shape.rank() - 1; d >= 0; --d) {
    const auto index = static_cast<size_t>(indices.at[static_cast<size_t>(d)]);
    int64_t& size = sizes_[index];
    const bool may_repeat = index >= kLetters;
    if (uses_[index]++ == 0 || size == kDynamic || (may_repeat && size == 1)) {
      size = shape[d];
    } else if (size != shape[d] && shape[d] != kDynamic && !(may_repeat && shape[d] == 1)) {
      fail("einsum: \"", text_, "\" gives one index the sizes ", size, " and ", shape[d]);
    }
    if (shape[d] != 1) strides_[k][index] += stride;
    stride *= shape[d];
  }
}

void EinsumEquation::check_output() const {
  for (const int* index = output_.begin(); index != output_.end(); ++index) {
    if (uses_[static_cast<size_t>(*index)] == 0 || std::count(output_.begin(), index, *index) > 0) {
      fail("einsum: \"", text_, "\" has an index in the output that is in no input, or twice");
    }
  }
}

}  // namespace pleat
