#include "support/every_isa.hpp"

namespace pleat::test {
namespace {

using kernels::Epilogue;
using kernels::KernelTable;

constexpr Activation kActivations[] = {Activation::none, Activation::relu, Activation::relu6,
                                       Activation::silu};

// An epilogue of both precisions, on as many rows and channels.
struct Epilogues {
  std::vector<float> bias, residual;
  std::vector<double> wide_bias, wide_residual;
  Epilogue<float> narrow;
  Epilogue<double> wide;

  Epilogues(Random& random, int64_t rows, int64_t channels, int64_t stride)
      : bias(uniform(random, channels)),
        residual(uniform(random, rows * stride)),
        wide_bias(widen(bias)),
        wide_residual(widen(residual)) {
    narrow.column_bias = random.below(3) != 0 ? bias.data() : nullptr;
    narrow.residual = random.below(2) != 0 ? residual.data() : nullptr;
    narrow.residual_stride = stride;
    narrow.activation = kActivations[random.below(std::size(kActivations))];
    wide = {nullptr,
            narrow.column_bias != nullptr ? wide_bias.data() : nullptr,
            narrow.residual != nullptr ? wide_residual.data() : nullptr,
            stride,
            narrow.activation,
            0};
  }
};

/// Of a row.
struct Window {
  int64_t kernel, stride, dilation, pad;
  int64_t outputs(int64_t columns) const {
    return (columns + 2 * pad - (kernel - 1) * dilation - 1) / stride + 1;
  }
};

std::vector<int64_t> places(Random& random, int64_t n, int64_t limit) {
  std::vector<int64_t> result(static_cast<size_t>(n));
  for (int64_t& place : result) place = static_cast<int64_t>(random.below(static_cast<uint64_t>(limit)));
  return result;
}

TEST_CASE("channels_last.product: every height and width of a tile, any places in x, or equally far apart") {
  for_each_isa([](const KernelTable<float>& table) {
    const auto& exact = kernels::reference_table<double>();
    Random random(seed());
    std::vector<int64_t> heights = {95, 97, 250};
    for (int64_t rows = 0; rows <= 31; ++rows) heights.push_back(rows);
    for (const int64_t rows : heights) {
      for (const int64_t columns : {1, 7, 8, 15, 16, 17, 24, 31, 32, 33, 70}) {
        const int64_t taps = 1 + static_cast<int64_t>(random.below(3));
        const int64_t depth = 1 + static_cast<int64_t>(random.below(20));
        CAPTURE(rows);
        CAPTURE(columns);
        const int64_t k = taps * depth, stride = columns + static_cast<int64_t>(random.below(3));
        const auto x = uniform(random, 1000 + depth), w = uniform(random, k * columns);
        const auto listed = places(random, rows, 200), offsets = places(random, taps, 200);
        const auto wide_x = widen(x), wide_w = widen(w);
        const auto packed_size = [&](int64_t nr) {
          return static_cast<size_t>((columns + nr - 1) / nr * nr * k);
        };
        std::vector<float> packed(packed_size(table.gemm.nr));
        std::vector<double> wide_packed(packed_size(exact.gemm.nr));
        table.gemm.pack_b(k, columns, w.data(), columns, 1, packed.data());
        exact.gemm.pack_b(k, columns, wide_w.data(), columns, 1, wide_packed.data());
        const Epilogues e(random, rows, columns, stride);
        Guarded<float> y(rows * stride);
        std::vector<double> expected(static_cast<size_t>(rows * stride), Guarded<float>::kUnwritten);
        const int64_t* pixels = random.below(2) == 0 ? nullptr : listed.data();
        const int64_t apart = pixels != nullptr ? 0 : 1 + static_cast<int64_t>(random.below(3));
        table.channels_last.product({rows, columns, taps, depth, x.data(), pixels, offsets.data(),
                                     packed.data(), y.data(), stride, &e.narrow, apart});
        exact.channels_last.product({rows, columns, taps, depth, wide_x.data(), pixels, offsets.data(),
                                     wide_packed.data(), expected.data(), stride, &e.wide, apart});
        CHECK(y.intact());
        CHECK(max_error(y.values(), expected) < 1e-6);
      }
    }
  });
}

TEST_CASE("channels_last.product: streamed results are the same") {
  for_each_isa([](const KernelTable<float>& table) {
    Random random(seed());
    constexpr int64_t depth = 5;
    const std::vector<int64_t> offsets = {0};
    for (const int64_t rows : {2, 6, 13, 100}) {
      for (const int64_t columns : {16, 32, 80}) {
        CAPTURE(rows);
        CAPTURE(columns);
        const auto x = uniform(random, 200 + depth), w = uniform(random, depth * columns);
        const auto pixels = places(random, rows, 200);
        std::vector<float> packed(static_cast<size_t>((columns + table.gemm.nr) * depth));
        table.gemm.pack_b(depth, columns, w.data(), columns, 1, packed.data());
        Tensor results[2];
        for (const bool streamed : {false, true}) {
          Tensor& y = results[streamed ? 1 : 0];
          y = Tensor({rows, columns + 16});
          table.channels_last.product({rows, columns, 1, depth, x.data(), pixels.data(), offsets.data(),
                                       packed.data(), y.data<float>(), columns + 16, nullptr, 0, streamed});
        }
        CHECK(std::ranges::equal(results[0].span<float>(), results[1].span<float>()));
      }
    }
  });
}

TEST_CASE("channels_last windows: max and average at every number of channels") {
  for_each_isa([](const KernelTable<float>& table) {
    const auto& exact = kernels::reference_table<double>();
    Random random(seed());
    for (const int64_t channels : edge_sizes()) {
      for (const int64_t outputs : {1, 2, 5, 6, 7, 13}) {
        for (const int64_t taps : {1, 9, 40}) {
          CAPTURE(channels);
          CAPTURE(outputs);
          CAPTURE(taps);
          const int64_t x_stride = channels + 3, y_stride = channels + 1;
          const auto offsets = places(random, taps, 100);
          const auto x = uniform(random, outputs * x_stride + 100 + channels);
          const auto wide_x = widen(x);
          const auto check = [&](const auto& narrow, const auto& wide, double tolerance) {
            Guarded<float> y(outputs * y_stride);
            std::vector<double> expected(static_cast<size_t>(outputs * y_stride), Guarded<float>::kUnwritten);
            narrow({outputs, channels, taps, x.data(), x_stride, offsets.data(), y.data(), y_stride});
            wide({outputs, channels, taps, wide_x.data(), x_stride, offsets.data(), expected.data(),
                  y_stride});
            CHECK(y.intact());
            CHECK(max_error(y.values(), expected) <= tolerance);
          };
          using Row = kernels::WindowRow<float>;
          using WideRow = kernels::WindowRow<double>;
          check([&](const Row& row) { table.channels_last.max(row); },
                [&](const WideRow& row) { exact.channels_last.max(row); }, 0);
          check([&](const Row& row) { table.channels_last.average(row, 0.25f); },
                [&](const WideRow& row) { exact.channels_last.average(row, 0.25); }, 1e-6);
        }
      }
    }
  });
}

TEST_CASE("channels_last.depthwise: every window, width and number of channels") {
  for_each_isa([](const KernelTable<float>& table) {
    const auto& exact = kernels::reference_table<double>();
    Random random(seed());
    for (const Window& w : {Window{3, 1, 1, 1}, Window{3, 2, 1, 1}, Window{3, 2, 1, 0}, Window{3, 1, 1, 3},
                            Window{3, 2, 1, 4}, Window{5, 1, 1, 2}, Window{5, 2, 1, 2}, Window{3, 1, 1, 0},
                            Window{3, 1, 2, 2}, Window{4, 3, 1, 1}, Window{1, 1, 1, 0}, Window{2, 1, 1, 1}}) {
      for (const int64_t channels : {1, 4, 7, 8, 9, 15, 16, 17, 40}) {
        for (const int64_t columns : {5, 6, 7, 9, 13, 16, 31, 700}) {
          CAPTURE(w.kernel);
          CAPTURE(w.stride);
          CAPTURE(channels);
          CAPTURE(columns);
          const int64_t outputs = w.outputs(columns);
          const int64_t stride = channels + 2, rows = static_cast<int64_t>(random.below(4));
          const int64_t weight_stride = channels + 1, y_stride = 2 * channels + 3;
          const auto x_rows = places(random, rows, 100), weight_rows = places(random, rows, 50);
          const auto x = uniform(random, columns * stride + 100);
          const auto weights = uniform(random, w.kernel * weight_stride + 50);
          const auto wide_x = widen(x), wide_weights = widen(weights);
          const Epilogues e(random, outputs, channels, y_stride);
          Guarded<float> y(outputs * y_stride);
          std::vector<double> expected(static_cast<size_t>(outputs * y_stride), Guarded<float>::kUnwritten);
          table.channels_last.depthwise({outputs, channels, stride, weight_stride, y_stride, w.kernel,
                                         w.stride, w.dilation, w.pad, columns, rows, x.data(), x_rows.data(),
                                         weights.data(), weight_rows.data(), y.data(), &e.narrow});
          exact.channels_last.depthwise({outputs, channels, stride, weight_stride, y_stride, w.kernel,
                                         w.stride, w.dilation, w.pad, columns, rows, wide_x.data(),
                                         x_rows.data(), wide_weights.data(), weight_rows.data(),
                                         expected.data(), &e.wide});
          CHECK(y.intact());
          CHECK(max_error(y.values(), expected) <= 1e-6);
        }
      }
    }
  });
}

TEST_CASE("channels_last.depthwise: NaN reaches the windows that it is in, and no others") {
  for_each_isa([](const KernelTable<float>& table) {
    constexpr int64_t channels = 8, columns = 9;
    const int64_t rows[] = {0, columns * channels}, weight_rows[] = {0, 3 * channels};
    const std::vector<float> weights(2 * 3 * channels, 1.0f);
    const kernels::Epilogue<float> none{};
    for (const int64_t stride : {1, 2}) {
      for (int64_t nan = 0; nan < columns; ++nan) {
        std::vector<float> x(2 * columns * channels, 1.0f);
        x[static_cast<size_t>(nan * channels)] = std::nanf("");
        const int64_t outputs = (columns - 1) / stride + 1;
        std::vector<float> y(static_cast<size_t>(outputs * channels));
        table.channels_last.depthwise({outputs, channels, channels, channels, channels, 3, stride, 1, 1,
                                       columns, 2, x.data(), rows, weights.data(), weight_rows, y.data(),
                                       &none});
        for (int64_t q = 0; q < outputs; ++q) {
          const bool inside = nan >= q * stride - 1 && nan <= q * stride + 1;
          CHECK(std::isnan(y[static_cast<size_t>(q * channels)]) == inside);
          CHECK(!std::isnan(y[static_cast<size_t>(q * channels + 1)]));
        }
      }
    }
  });
}

TEST_CASE("channels_last.max: NaN wherever it stands") {
  for_each_isa([](const KernelTable<float>& table) {
    const int64_t offsets[] = {0, 1, 2};
    for (int nan = 0; nan < 3; ++nan) {
      float x[] = {1, 5, 3}, y = 0;
      x[nan] = std::nanf("");
      table.channels_last.max({1, 1, 3, x, 1, offsets, &y, 1});
      CHECK(std::isnan(y));
    }
  });
}

TEST_CASE("channels_last.winograd: transforms of every part of a tile against the reference") {
  for_each_isa([](const KernelTable<float>& table) {
    const auto& exact = kernels::reference_table<double>();
    Random random(seed());
    for (const int64_t m : {2, 4}) {
      const int64_t n = m + 2;
      for (const int64_t channels : {1, 4, 7, 8, 15, 16, 17, 33}) {
        for (int round = 0; round < 8; ++round) {
          CAPTURE(m);
          CAPTURE(channels);
          const auto below = [&](int64_t limit) {
            return static_cast<int64_t>(random.below(static_cast<uint64_t>(limit)));
          };
          const int64_t tiles = 1 + below(3), wide = (tiles - 1) * m;  // columns of all but the first
          const int64_t row_begin = below(2), column_begin = below(2);
          const int64_t row_end = n - below(3), column_end = wide + n - below(3);
          const int64_t pixel = channels + 1, row = (wide + n) * pixel;
          const int64_t tile = channels + 2, stride = tiles * tile;
          const auto x = uniform(random, n * row);
          const auto wide_x = widen(x);
          Guarded<float> v(n * n * stride);
          std::vector<double> wide_v(static_cast<size_t>(n * n * stride), Guarded<float>::kUnwritten);
          table.channels_last.winograd_input({m, tiles, channels, x.data(), row, pixel, row_begin, row_end,
                                              column_begin, column_end, v.data(), stride, tile});
          exact.channels_last.winograd_input({m, tiles, channels, wide_x.data(), row, pixel, row_begin,
                                              row_end, column_begin, column_end, wide_v.data(), stride,
                                              tile});
          CHECK(v.intact());
          CHECK(max_error(v.values(), wide_v) < 1e-6);

          const int64_t rows = 1 + below(m), columns = wide + 1 + below(m), y_row = (wide + m) * pixel;
          const Epilogues e(random, m * (wide + m), channels, pixel);
          const auto products = uniform(random, n * n * stride);
          const auto wide_products = widen(products);
          Guarded<float> y(m * y_row);
          std::vector<double> expected(static_cast<size_t>(m * y_row), Guarded<float>::kUnwritten);
          table.channels_last.winograd_output({m, tiles, channels, products.data(), stride, tile, y.data(),
                                               y_row, pixel, rows, columns, &e.narrow});
          exact.channels_last.winograd_output({m, tiles, channels, wide_products.data(), stride, tile,
                                               expected.data(), y_row, pixel, rows, columns, &e.wide});
          CHECK(y.intact());
          CHECK(max_error(y.values(), expected) < 1e-6);
        }
      }
    }
  });
}

TEST_CASE("channels_last.pack_pixels: panels of any height, zeros outside the image and past the channels") {
  for_each_isa([](const KernelTable<float>& table) {
    const int64_t mr = table.gemm.mr;
    Random random(seed());
    for (const int64_t channels : {1, 3, 5, 6, 7, 12, 14, 29}) {
      for (const int64_t pixels : {0, 1, 5, 16, 17, 40}) {
        CAPTURE(channels);
        CAPTURE(pixels);
        const auto x = uniform(random, 100 + channels);
        auto from = places(random, pixels, 100);
        for (int64_t& place : from) place = random.below(4) == 0 ? -1 : place;
        const int64_t panels = (channels + mr - 1) / mr;
        Guarded<float> packed(panels * pixels * mr);
        table.channels_last.pack_pixels({pixels, channels, x.data(), from.data(), packed.data()});
        CHECK(packed.intact());
        int64_t wrong = 0;
        for (int64_t c = 0; c < panels * mr; ++c) {
          for (int64_t p = 0; p < pixels; ++p) {
            const int64_t place = from[static_cast<size_t>(p)];
            const float expected = place < 0 || c >= channels ? 0 : x[static_cast<size_t>(place + c)];
            wrong += packed.data()[(c / mr * pixels + p) * mr + c % mr] != expected;
          }
        }
        CHECK(wrong == 0);
      }
    }
  });
}

TEST_CASE("channels_last.depthwise_weights: adds the sums of every window, width and number of channels") {
  for_each_isa([](const KernelTable<float>& table) {
    const auto& exact = kernels::reference_table<double>();
    Random random(seed());
    for (const Window& w : {Window{3, 1, 1, 1}, Window{3, 2, 1, 1}, Window{5, 1, 1, 2}, Window{5, 2, 1, 2},
                            Window{3, 1, 2, 2}, Window{4, 3, 1, 1}, Window{1, 1, 1, 0}}) {
      for (const int64_t channels : {1, 7, 8, 9, 16, 17, 40}) {
        for (const int64_t columns : {5, 7, 16, 31}) {
          CAPTURE(w.kernel);
          CAPTURE(channels);
          CAPTURE(columns);
          const int64_t outputs = w.outputs(columns);
          const int64_t stride = channels + 2, rows = static_cast<int64_t>(random.below(4));
          const auto x_rows = places(random, rows, 100);
          std::vector<int64_t> weight_rows;
          for (int64_t r = 0; r < rows; ++r) weight_rows.push_back(r * w.kernel * stride);
          const auto x = uniform(random, columns * stride + 100), dy = uniform(random, outputs * stride);
          const auto before = uniform(random, 3 * w.kernel * stride);
          const auto wide_x = widen(x), wide_dy = widen(dy);
          Guarded<float> dw(3 * w.kernel * stride);
          std::copy(before.begin(), before.end(), dw.data());
          std::vector<double> expected = widen(before);
          const auto row = [&](const auto* from, const auto* gradient, auto* to) {
            using T = std::remove_reference_t<decltype(*to)>;
            return kernels::DepthwiseWeights<T>{
                outputs, channels, stride, w.kernel,      w.stride, w.dilation, w.pad,
                columns, rows,     from,   x_rows.data(), gradient, to,         weight_rows.data()};
          };
          table.channels_last.depthwise_weights(row(x.data(), dy.data(), dw.data()));
          exact.channels_last.depthwise_weights(row(wide_x.data(), wide_dy.data(), expected.data()));
          CHECK(dw.intact());
          CHECK(max_error(dw.values(), expected) <= 1e-6);
        }
      }
    }
  });
}

TEST_CASE("channels_last: gradients of windows that overlap; of equal maxima the first gets it") {
  for_each_isa([](const KernelTable<float>& table) {
    const auto& exact = kernels::reference_table<double>();
    Random random(seed());
    for (const int64_t channels : {1, 7, 8, 9, 17, 33}) {
      for (const int64_t outputs : {1, 3, 8}) {
        CAPTURE(channels);
        CAPTURE(outputs);
        const int64_t taps = 1 + static_cast<int64_t>(random.below(5)), x_stride = channels,
                      y_stride = channels + 1;
        std::vector<int64_t> offsets;
        for (int64_t t = 0; t < taps; ++t) offsets.push_back(t * channels);
        const int64_t size = (outputs + taps) * channels;
        auto x = uniform(random, size);
        for (float& value : x) value = std::round(value * 2);  // many are equal
        const auto dy = uniform(random, outputs * y_stride), before = uniform(random, size);
        std::vector<float> y(static_cast<size_t>(outputs * y_stride));
        table.channels_last.max(
            {outputs, channels, taps, x.data(), x_stride, offsets.data(), y.data(), y_stride});
        const auto wide_x = widen(x), wide_y = widen(y), wide_dy = widen(dy);
        const auto check = [&](const auto& narrow, const auto& wide) {
          Guarded<float> dx(size);
          std::copy(before.begin(), before.end(), dx.data());
          std::vector<double> expected = widen(before);
          narrow(kernels::WindowGradient<float>{outputs, channels, taps, x.data(), x_stride, offsets.data(),
                                                y.data(), dy.data(), y_stride, dx.data()});
          wide(kernels::WindowGradient<double>{outputs, channels, taps, wide_x.data(), x_stride,
                                               offsets.data(), wide_y.data(), wide_dy.data(), y_stride,
                                               expected.data()});
          CHECK(dx.intact());
          CHECK(max_error(dx.values(), expected) <= 1e-6);
        };
        check([&](const auto& g) { table.channels_last.max_gradient(g); },
              [&](const auto& g) { exact.channels_last.max_gradient(g); });
        check([&](const auto& g) { table.channels_last.average_gradient(g, 0.25f); },
              [&](const auto& g) { exact.channels_last.average_gradient(g, 0.25); });
      }
    }
  });
}

TEST_CASE("channels_last.winograd: filters, and the gradients of the transforms, against the reference") {
  for_each_isa([](const KernelTable<float>& table) {
    const auto& exact = kernels::reference_table<double>();
    Random random(seed());
    for (const int64_t m : {2, 4}) {
      const int64_t n = m + 2;
      for (const int64_t channels : {1, 4, 7, 8, 15, 16, 17, 33}) {
        CAPTURE(m);
        CAPTURE(channels);
        const int64_t stride = channels + 2;
        const auto filter = [&](auto narrow, auto wide, int64_t from_size, int64_t to_size) {
          const auto from = uniform(random, from_size * stride);
          const auto wide_from = widen(from);
          Guarded<float> to(to_size * stride);
          std::vector<double> expected(static_cast<size_t>(to_size * stride), Guarded<float>::kUnwritten);
          narrow({m, channels, from.data(), stride, to.data(), stride});
          wide({m, channels, wide_from.data(), stride, expected.data(), stride});
          CHECK(to.intact());
          CHECK(max_error(to.values(), expected) < 1e-6);
        };
        const auto& fast = table.channels_last;
        filter(fast.winograd_filter, exact.channels_last.winograd_filter, 9, n * n);
        filter(fast.winograd_filter_gradient, exact.channels_last.winograd_filter_gradient, n * n, 9);
        for (int64_t rows = 1; rows <= m; ++rows) {
          const int64_t columns = m + 1 + static_cast<int64_t>(random.below(static_cast<uint64_t>(m)));
          const auto dy = uniform(random, m * 2 * m * stride);  // two tiles of it
          const auto wide_dy = widen(dy);
          Guarded<float> out(n * n * 2 * stride);
          std::vector<double> expected(static_cast<size_t>(n * n * 2 * stride), Guarded<float>::kUnwritten);
          fast.winograd_output_gradient({m, 2, channels, dy.data(), 2 * m * stride, stride, rows, columns,
                                         out.data(), 2 * stride, stride});
          exact.channels_last.winograd_output_gradient({m, 2, channels, wide_dy.data(), 2 * m * stride,
                                                        stride, rows, columns, expected.data(), 2 * stride,
                                                        stride});
          CHECK(out.intact());
          CHECK(max_error(out.values(), expected) < 1e-6);
        }
      }
    }
  });
}

}  // namespace
}  // namespace pleat::test
