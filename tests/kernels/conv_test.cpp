#include "support/every_isa.hpp"

namespace pleat::test {
namespace {

using kernels::Correlation;
using kernels::KernelTable;
using kernels::Spread;

constexpr int64_t kSlack = 16;  // at least the lanes of any instruction set

// Taps of a few planes, in no order.
std::vector<int64_t> some_offsets(Random& random, int64_t taps, int64_t plane) {
  std::vector<int64_t> offsets(static_cast<size_t>(taps));
  for (int64_t& offset : offsets)
    offset = static_cast<int64_t>(random.below(static_cast<uint64_t>(3 * plane)));
  return offsets;
}

void check_correlation(const KernelTable<float>& table, Random& random, int64_t width, int64_t channels,
                       int64_t taps, bool planes) {
  const auto& exact = kernels::reference_table<double>();
  const int64_t rows = 3, pitch = width + 2, y_pitch = width + 1, y_stride = rows * y_pitch + 3;
  const auto offsets = some_offsets(random, taps, rows * pitch);
  const auto x = uniform(random, 4 * rows * pitch + kSlack);
  const auto filter = uniform(random, channels * taps);
  const auto pack = [&]<class T>(int64_t tile, T) {
    std::vector<T> packed(static_cast<size_t>((channels + tile - 1) / tile * tile * taps), T(0));
    for (int64_t i = 0; i < channels; ++i) {
      for (int64_t l = 0; l < taps; ++l) {
        packed[static_cast<size_t>((i / tile * taps + l) * tile + i % tile)] =
            static_cast<T>(filter[static_cast<size_t>(i * taps + l)]);
      }
    }
    return packed;
  };
  const auto weights = pack(planes ? 1 : table.conv.tile, 0.0f);
  const auto exact_weights = pack(planes ? 1 : exact.conv.tile, 0.0);
  const auto bias = uniform(random, channels), residual = uniform(random, channels * y_stride);
  const auto before = uniform(random, channels * y_stride);
  const auto exact_x = widen(x), exact_bias = widen(bias), exact_residual = widen(residual);
  const auto activation = static_cast<Activation>(random.below(8));
  const bool accumulate = random.below(2) == 1, with_epilogue = random.below(4) != 0;
  kernels::Epilogue<float> epilogue{bias.data(), nullptr, residual.data(), y_stride, activation, 0.1f};
  kernels::Epilogue<double> exact_epilogue{exact_bias.data(), nullptr,    exact_residual.data(),
                                           y_stride,          activation, 0.1f};
  Guarded<float> y(before);
  std::vector<double> expected = widen(before);
  const Correlation<float> c{channels,
                             taps,
                             rows,
                             width,
                             weights.data(),
                             x.data(),
                             offsets.data(),
                             pitch,
                             y.data(),
                             y_stride,
                             y_pitch,
                             accumulate,
                             with_epilogue ? &epilogue : nullptr};
  const Correlation<double> e{channels,
                              taps,
                              rows,
                              width,
                              exact_weights.data(),
                              exact_x.data(),
                              offsets.data(),
                              pitch,
                              expected.data(),
                              y_stride,
                              y_pitch,
                              accumulate,
                              with_epilogue ? &exact_epilogue : nullptr};
  planes ? table.conv.correlate_plane(c) : table.conv.correlate(c);
  planes ? exact.conv.correlate_plane(e) : exact.conv.correlate(e);
  CHECK(y.intact());
  CHECK(max_error(y.values(), expected) < 1e-5);
}

}  // namespace

TEST_CASE("conv: spread") {
  for_each_isa([](const KernelTable<float>& table) {
    Random random(seed());
    for (int64_t width : edge_sizes()) {
      for (int64_t stride : {1, 2, 3}) {
        CAPTURE(width);
        CAPTURE(stride);
        const int64_t pad = static_cast<int64_t>(random.below(7)) - 3, pitch = width / stride + 4;
        const Spread spread{
            3, width, pad, pad, stride, stride, stride, stride, 4, pitch, stride * stride * 4 * pitch + 5};
        const auto x = uniform(random, 3 * width);
        Guarded<float> out(spread.size);
        std::vector<float> expected(static_cast<size_t>(spread.size));
        const float value = width % 2 == 0 ? 0.0f : -1.5f;
        table.conv.spread(spread, x.data(), value, out.data());
        kernels::reference_table<float>().conv.spread(spread, x.data(), value, expected.data());
        CHECK(out.intact());
        CHECK(std::ranges::equal(out.values(), expected));
      }
    }
  });
}

TEST_CASE("conv: correlate") {
  for_each_isa([](const KernelTable<float>& table) {
    Random random(seed());
    for (int64_t width : edge_sizes()) {
      for (int64_t channels : {1, 3, 4, 9}) {
        CAPTURE(width);
        CAPTURE(channels);
        check_correlation(table, random, width, channels, static_cast<int64_t>(random.below(40)), false);
      }
      for (int64_t taps : {0, 1, 9, 10, 25}) {
        CAPTURE(width);
        CAPTURE(taps);
        check_correlation(table, random, width, 1, taps, true);
      }
    }
  });
}

TEST_CASE("conv: correlate weights") {
  for_each_isa([](const KernelTable<float>& table) {
    Random random(seed());
    for (int64_t width : edge_sizes()) {
      for (int64_t channels : {1, 2, 5, 7}) {
        const int64_t taps = static_cast<int64_t>(random.below(24)), rows = 2, images = 2, pitch = width + 2;
        CAPTURE(width);
        CAPTURE(channels);
        CAPTURE(taps);
        const auto offsets = some_offsets(random, taps, rows * pitch);
        const auto x = uniform(random, 8 * rows * pitch + kSlack);
        const auto dy = uniform(random, images * channels * rows * width);
        const auto before = uniform(random, channels * (taps + 2));
        Guarded<float> dw(before);
        std::vector<double> expected = widen(before);
        const auto run = [&]<class T>(const auto& kernel, const T* dy_data, const T* x_data, T* dw_data) {
          kernel({images, channels, taps, rows, width, dy_data, channels * rows * width, rows * width, width,
                  x_data, offsets.data(), 4 * rows * pitch, pitch, dw_data, taps + 2, width % 2 == 0});
        };
        run(table.conv.correlate_weights, dy.data(), x.data(), dw.data());
        run(kernels::reference_table<double>().conv.correlate_weights, widen(dy).data(), widen(x).data(),
            expected.data());
        CHECK(dw.intact());
        CHECK(max_error(dw.values(), expected) < 1e-5);
      }
    }
  });
}

TEST_CASE("conv: pack columns") {
  for_each_isa([](const KernelTable<float>& table) {
    Random random(seed());
    for (int64_t width : edge_sizes()) {
      if (width == 0) continue;
      CAPTURE(width);
      const int64_t taps = 7, rows = 5, pitch = width + 2, nr = table.gemm.nr;
      const auto offsets = some_offsets(random, taps, rows * pitch);
      const auto x = uniform(random, 4 * rows * pitch + kSlack);
      const int64_t first = static_cast<int64_t>(random.below(static_cast<uint64_t>(width)));
      const int64_t last = rows * width, size = (last - first + nr - 1) / nr * nr * taps;
      Guarded<float> packed(size + kSlack);
      std::vector<float> expected(static_cast<size_t>(size));
      table.conv.pack_columns(nr, taps, offsets.data(), x.data(), width, pitch, first, last, packed.data());
      kernels::reference_table<float>().conv.pack_columns(nr, taps, offsets.data(), x.data(), width, pitch,
                                                          first, last, expected.data());
      CHECK(packed.intact());
      CHECK(std::ranges::equal(packed.values().first(expected.size()), expected));
    }
  });
}

}  // namespace pleat::test
