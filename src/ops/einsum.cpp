// Einstein's sum: each letter of the equation is an index, "..." stands for the dimensions without one, which
// are broadcast. y[output letters] = the sum over all other letters of the product of the operands. Without
// "->" the output has "..." and the letters that stand once, in the alphabet's order.

#include <array>

#include "base/format.hpp"
#include "ops/context.hpp"
#include "ops/einsum_equation.hpp"

namespace pleat {
namespace {

// Loops, the first the innermost.
struct Loops {
  int count = 0;
  std::array<int64_t, kIndices> size;
  std::array<std::array<int64_t, kMostOperands>, kIndices> stride;

  void add(const EinsumEquation& equation, int index, int operands) {
    const auto at = static_cast<size_t>(count++);
    size[at] = equation.size(index);
    for (int k = 0; k < operands; ++k) stride[at][static_cast<size_t>(k)] = equation.stride(k, index);
  }
  int64_t steps() const {
    int64_t steps = 1;
    for (size_t i = 0; i < static_cast<size_t>(count); ++i) steps *= size[i];
    return steps;
  }
  // Moves the offsets to where they are in round `step`.
  void go(int64_t step, int operands, std::array<int64_t, kMostOperands>& offsets) const {
    for (size_t i = 0; i < static_cast<size_t>(count); ++i) {
      const int64_t index = step % size[i];
      step /= size[i];
      for (size_t k = 0; k < static_cast<size_t>(operands); ++k) offsets[k] += index * stride[i][k];
    }
  }
};

struct EinsumOp {
  using Attributes = ops::Einsum;
  static constexpr std::string_view name = "einsum";

  static std::vector<ValueType> infer(const Attributes& attributes, const InputTypes& in) {
    for (const ValueType* type : in) {
      if (type->dtype == in[0]->dtype && (type->dtype == DType::f32 || type->dtype == DType::f64)) continue;
      fail("einsum: needs floats, got ", name_of(type->dtype));
    }
    const EinsumEquation equation(attributes.equation, static_cast<int>(in.size()),
                                  [&](int k) -> const Shape& { return in[static_cast<size_t>(k)]->shape; });
    Shape y;
    for (int index : equation.output()) y.push_back(equation.size(index));
    return {{in[0]->dtype, y}};
  }

  template <class T>
  static void run(const Attributes& attributes, const Context<T>& context) {
    const int operands = context.input_count();
    const EinsumEquation equation(attributes.equation, operands,
                                  [&](int k) -> const Shape& { return context.in_shape(k); });
    Loops outer, inner;
    for (int i = equation.output().count - 1; i >= 0; --i) {
      outer.add(equation, equation.output().at[static_cast<size_t>(i)], operands);
    }
    for (int index = 0; index < kIndices; ++index) {
      if (equation.is_summed(index)) inner.add(equation, index, operands);
    }
    const int64_t terms = inner.steps(), row = inner.count > 0 ? inner.size[0] : 1;
    T* y = context.out(0);
    parallel_for(outer.steps(), grain_for(terms * operands), [&](int64_t begin, int64_t end) {
      for (int64_t o = begin; o < end; ++o) {
        double sum = 0;
        for (int64_t term = 0; term < terms; term += row) {
          std::array<int64_t, kMostOperands> offsets{};
          outer.go(o, operands, offsets);
          inner.go(term, operands, offsets);
          for (int64_t i = 0; i < row; ++i) {
            double product = 1;
            for (size_t k = 0; k < static_cast<size_t>(operands); ++k) {
              const int64_t step = inner.count > 0 ? inner.stride[0][k] : 0;
              product *= static_cast<double>(context.in(static_cast<int>(k))[offsets[k] + i * step]);
            }
            sum += product;
          }
        }
        y[o] = static_cast<T>(sum);
      }
    });
  }

  static double work(const Attributes& attributes, const InputTypes& in) {
    const EinsumEquation equation(attributes.equation, static_cast<int>(in.size()),
                                  [&](int k) -> const Shape& { return in[static_cast<size_t>(k)]->shape; });
    double steps = static_cast<double>(in.size());
    for (int index : equation.output()) steps *= static_cast<double>(equation.size(index));
    for (int index = 0; index < kIndices; ++index) {
      if (equation.is_summed(index)) steps *= static_cast<double>(equation.size(index));
    }
    return steps;
  }
};

}  // namespace

PLEAT_OP(EinsumOp)

}  // namespace pleat
