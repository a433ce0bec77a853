#include "support/every_isa.hpp"

namespace pleat::test {
namespace {

using kernels::Epilogue;
using kernels::KernelTable;

constexpr Activation kActivations[] = {Activation::none,       Activation::relu,    Activation::relu6,
                                       Activation::leaky_relu, Activation::sigmoid, Activation::silu,
                                       Activation::hardswish,  Activation::tanh};

int64_t round_up(int64_t n, int64_t unit) {
  return (n + unit - 1) / unit * unit;
}

// One product with everything around it. C has unused columns between its rows.
struct Case {
  int64_t m, n, k, c_stride;
  int64_t a_row, a_column, b_row, b_column;  // strides
  std::vector<float> a, b, c, row_bias, column_bias, residual;
  bool accumulate, with_epilogue;
  Activation activation;

  Case(Random& random, int64_t rows, int64_t columns, int64_t depth)
      : m(rows), n(columns), k(depth), c_stride(columns + static_cast<int64_t>(random.below(3))) {
    const bool a_transposed = random.below(2) == 1, b_transposed = random.below(2) == 1;
    a_row = a_transposed ? 1 : k;
    a_column = a_transposed ? m : 1;
    b_row = b_transposed ? 1 : n;
    b_column = b_transposed ? k : 1;
    a = uniform(random, m * k);
    b = uniform(random, k * n);
    c = uniform(random, m * c_stride);
    row_bias = uniform(random, m);
    column_bias = uniform(random, n);
    residual = uniform(random, m * c_stride);
    accumulate = random.below(2) == 1;
    with_epilogue = random.below(4) != 0;
    activation = kActivations[random.below(std::size(kActivations))];
  }

  Epilogue<float> epilogue() const {
    return {row_bias.data(), column_bias.data(), residual.data(), c_stride, activation, 0.1f};
  }

  // The whole C, gaps included, in double.
  std::vector<double> expected(bool accumulates) const {
    std::vector<double> result = widen(c);
    for (int64_t i = 0; i < m; ++i) {
      for (int64_t j = 0; j < n; ++j) {
        double sum = 0;
        for (int64_t l = 0; l < k; ++l) {
          sum += static_cast<double>(a[static_cast<size_t>(i * a_row + l * a_column)]) *
                 b[static_cast<size_t>(l * b_row + j * b_column)];
        }
        double& out = result[static_cast<size_t>(i * c_stride + j)];
        out = accumulates ? out + sum : sum;
      }
    }
    if (!with_epilogue) return result;
    // The epilogue alone: a product of depth 0, added to what is there.
    const std::vector<double> rows = widen(row_bias), columns = widen(column_bias), rest = widen(residual);
    const Epilogue<double> e = {rows.data(), columns.data(), rest.data(), c_stride, activation, 0.1f};
    kernels::reference_table<double>().gemm.multiply(m, n, 0, nullptr, nullptr, result.data(), c_stride, true,
                                                     &e);
    return result;
  }
};

struct Packed {
  std::vector<float> a, b;
  Packed(const KernelTable<float>& table, const Case& given)
      : a(static_cast<size_t>(round_up(given.m, table.gemm.mr) * given.k)),
        b(static_cast<size_t>(round_up(given.n, table.gemm.nr) * given.k)) {
    table.gemm.pack_a(given.m, given.k, given.a.data(), given.a_row, given.a_column, a.data());
    table.gemm.pack_b(given.k, given.n, given.b.data(), given.b_row, given.b_column, b.data());
  }
};

template <class Body>
void for_each_case(Random& random, const Body& body) {
  for (const int64_t m : {0, 1, 2, 3, 4, 5, 6, 7, 13, 14, 15, 29}) {
    for (const int64_t n : {0, 1, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 65, 130}) {
      for (const int64_t k : {0, 1, 7, 16, 33}) {
        CAPTURE(m);
        CAPTURE(n);
        CAPTURE(k);
        body(Case(random, m, n, k));
      }
    }
  }
}

TEST_CASE("gemm packs panels with zeros past the edge") {
  for_each_isa([](const KernelTable<float>& table) {
    Random random(seed());
    for_each_case(random, [&](const Case& given) {
      const int64_t mr = table.gemm.mr, nr = table.gemm.nr, k = given.k;
      Guarded<float> a(round_up(given.m, mr) * k), b(round_up(given.n, nr) * k);
      table.gemm.pack_a(given.m, k, given.a.data(), given.a_row, given.a_column, a.data());
      table.gemm.pack_b(k, given.n, given.b.data(), given.b_row, given.b_column, b.data());
      CHECK(a.intact());
      CHECK(b.intact());
      size_t wrong = 0;
      for (int64_t i = 0; i < round_up(given.m, mr); ++i) {
        for (int64_t l = 0; l < k; ++l) {
          const float want =
              i < given.m ? given.a[static_cast<size_t>(i * given.a_row + l * given.a_column)] : 0.0f;
          wrong += a.values()[static_cast<size_t>(i / mr * mr * k + l * mr + i % mr)] != want;
        }
      }
      for (int64_t j = 0; j < round_up(given.n, nr); ++j) {
        for (int64_t l = 0; l < k; ++l) {
          const float want =
              j < given.n ? given.b[static_cast<size_t>(l * given.b_row + j * given.b_column)] : 0.0f;
          wrong += b.values()[static_cast<size_t>(j / nr * nr * k + l * nr + j % nr)] != want;
        }
      }
      CHECK(wrong == 0);
    });
  });
}

TEST_CASE("gemm scales a panel's rows") {
  for_each_isa([](const KernelTable<float>& table) {
    Random random(seed());
    for (const int64_t k : {0, 1, 7, 16, 33}) {
      CAPTURE(k);
      const int64_t nr = table.gemm.nr;
      const std::vector<float> packed = uniform(random, k * nr), factors = uniform(random, k);
      Guarded<float> scaled(k * nr);
      table.gemm.scale_panel(k, packed.data(), factors.data(), scaled.data());
      CHECK(scaled.intact());
      size_t wrong = 0;
      for (size_t i = 0; i < packed.size(); ++i) {
        wrong += scaled.values()[i] != packed[i] * factors[i / static_cast<size_t>(nr)];
      }
      CHECK(wrong == 0);
    }
  });
}

TEST_CASE("gemm multiplies packed and strided matrices, to the same bits") {
  for_each_isa([](const KernelTable<float>& table) {
    Random random(seed());
    for_each_case(random, [&](const Case& given) {
      const Packed packed(table, given);
      const Epilogue<float> epilogue = given.epilogue();
      const Epilogue<float>* e = given.with_epilogue ? &epilogue : nullptr;
      Guarded<float> c(given.c), strided(given.c);
      table.gemm.multiply(given.m, given.n, given.k, packed.a.data(), packed.b.data(), c.data(),
                          given.c_stride, given.accumulate, e);
      table.gemm.multiply_strided(given.m, given.n, given.k, given.a.data(), given.a_row, given.a_column,
                                  packed.b.data(), strided.data(), given.c_stride, given.accumulate, e);
      CHECK(c.intact());
      CHECK(max_error(c.values(), given.expected(given.accumulate)) < 3e-6);
      CHECK(strided.intact());
      CHECK(std::ranges::equal(c.values(), strided.values()));
    });
  });
}

TEST_CASE("gemm gives each element the same bits in any block") {
  for_each_isa([](const KernelTable<float>& table) {
    Random random(seed());
    const Case given(random, 31, 77, 40);
    const Packed packed(table, given);
    const int64_t mr = table.gemm.mr, nr = table.gemm.nr;
    std::vector<float> whole = given.c, blocks = given.c;
    table.gemm.multiply(31, 77, 40, packed.a.data(), packed.b.data(), whole.data(), given.c_stride, false,
                        nullptr);
    for (int64_t i = 0; i < 31; i += mr) {
      for (int64_t j = 0; j < 77; j += nr) {
        table.gemm.multiply(std::min(mr, 31 - i), std::min(nr, 77 - j), 40, packed.a.data() + i * 40,
                            packed.b.data() + j * 40, blocks.data() + i * given.c_stride + j, given.c_stride,
                            false, nullptr);
      }
    }
    CHECK(whole == blocks);
  });
}

TEST_CASE("gemm multiplies few rows by rows") {
  for_each_isa([](const KernelTable<float>& table) {
    Random random(seed());
    for_each_case(random, [&](Case given) {
      if (given.a_column != 1 || given.b_row != 1) return;
      const Epilogue<float> epilogue = given.epilogue();
      Guarded<float> c(given.c);
      table.gemm.multiply_rows(given.m, given.n, given.k, given.a.data(), given.a_row, given.b.data(),
                               given.b_column, c.data(), given.c_stride,
                               given.with_epilogue ? &epilogue : nullptr);
      CHECK(c.intact());
      CHECK(max_error(c.values(), given.expected(/*accumulates=*/false)) < 3e-6);
    });
  });
}

TEST_CASE("gemm's residual may be C itself") {
  for_each_isa([](const KernelTable<float>& table) {
    Random random(seed());
    Case given(random, 9, 37, 12);
    given.residual = given.c;
    given.with_epilogue = true;
    const Packed packed(table, given);
    std::vector<float> c = given.c;
    Epilogue<float> epilogue = given.epilogue();
    epilogue.residual = c.data();
    table.gemm.multiply(9, 37, 12, packed.a.data(), packed.b.data(), c.data(), given.c_stride, false,
                        &epilogue);
    CHECK(max_error(c, given.expected(/*accumulates=*/false)) < 3e-6);
  });
}

TEST_CASE("gemm's activations keep NaN, infinities and zero") {
  for_each_isa([](const KernelTable<float>& table) {
    const std::vector<float> special = {NAN,     INFINITY, -INFINITY, 0.0f,   1e-30f,
                                        -200.0f, 200.0f,   88.5f,     -103.0f};
    const int64_t n = static_cast<int64_t>(special.size());
    for (const Activation activation : kActivations) {
      CAPTURE(static_cast<int>(activation));
      std::vector<float> c = special;
      std::vector<double> expected = widen(special);
      const Epilogue<float> e = {.activation = activation, .alpha = 0.1f};
      const Epilogue<double> wide = {.activation = activation, .alpha = 0.1f};
      const std::vector<float> nothing(1);
      table.gemm.multiply(1, n, 0, nothing.data(), nothing.data(), c.data(), n, true, &e);
      kernels::reference_table<double>().gemm.multiply(1, n, 0, nullptr, nullptr, expected.data(), n, true,
                                                       &wide);
      for (size_t i = 0; i < c.size(); ++i) {
        CAPTURE(special[i]);
        const double want = expected[i], got = c[i];
        const bool same = std::isnan(want)   ? std::isnan(got)
                          : std::isinf(want) ? got == want
                                             : std::abs(got - want) <= 1e-6 * std::abs(want) + 1e-38;
        CHECK_MESSAGE(same, got, " for ", want);
      }
    }
  });
}

}  // namespace
}  // namespace pleat::test
