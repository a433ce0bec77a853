#include "ops/channels_last/weight_algorithms.hpp"

namespace pleat {
namespace {

constexpr int64_t kChunkElements = 512 << 10;     // of all panels, in the last cache
constexpr int64_t kMostIn = 192, kMostOut = 256;  // of a task, whose sums stay in the second

// Parts of `size` that are alike, of at most `most`, in multiples.
int64_t block_of(int64_t size, int64_t most, int64_t multiple) {
  const int64_t all = std::max<int64_t>(1, size);
  return round_up(divide_up(all, divide_up(all, most)), multiple);
}

}  // namespace

DirectWeightGradient::DirectWeightGradient(const ConvShape& given, int64_t rows, int64_t columns,
                                           bool normalized)
    : shape(given), mr(rows), nr(columns), units(shape), normalizes(normalized) {
  chunk_units = std::clamp<int64_t>(kChunkElements / std::max<int64_t>(1, unit_elements()), 1,
                                    std::max<int64_t>(1, units.count()));
  block_in = block_of(ins(), kMostIn, mr);
  block_out = block_of(outs(), kMostOut, nr);
  const int64_t useful = std::min(kTasks, shape.multiply_adds() / (2 * kTaskMultiplyAdds));
  while (shape.groups * taps() * divide_up(ins(), block_in) * divide_up(outs(), block_out) < useful) {
    if (block_out >= 4 * nr && block_out >= block_in) {
      block_out = round_up(block_out / 2, nr);
    } else if (block_in >= 4 * mr) {
      block_in = round_up(block_in / 2, mr);
    } else {
      break;
    }
  }
}

// Shared: the sums (groups, taps, in, out), then the panels of a chunk. A worker's: places of a unit's
// pixels, then these pixels normalized.
Workspace DirectWeightGradient::workspace(size_t element) const {
  const int64_t normalized = normalizes ? units.pixels() * ins() : 0;
  return {static_cast<size_t>(sum_elements() + chunk_units * unit_elements()) * element,
          static_cast<size_t>(round_up(units.pixels(), 8)) * sizeof(int64_t) +
              static_cast<size_t>(normalized) * element};
}

// What tap `tap` of each pixel reads, from the unit's first image on; -1 outside.
void DirectWeightGradient::places_of(const PixelUnits::Unit& u, int64_t tap, int64_t* places) const {
  const ops::Window& w = shape.window;
  const int64_t channels = shape.groups * shape.in_channels;
  for (int64_t n = 0; n < u.images; ++n) {
    for (int64_t r = 0; r < u.rows; ++r) {
      const int64_t y = (u.row + r) * w.stride[0] - w.pad_begin[0] + tap / w.kernel[1] * w.dilation[0];
      const int64_t left = tap % w.kernel[1] * w.dilation[1] - w.pad_begin[1];
      const bool row_inside = y >= 0 && y < shape.in[0];
      for (int64_t q = 0; q < shape.out[1]; ++q) {
        const int64_t column = q * w.stride[1] + left;
        const bool inside = row_inside && column >= 0 && column < shape.in[1];
        *places++ = inside ? ((n * shape.in[0] + y) * shape.in[1] + column) * channels : -1;
      }
    }
  }
}

// Side 0: dy's panels; side 1 + tap: x's of one tap.
template <class T>
void DirectWeightGradient::pack(const Context<T>& context, const WeightOperands<T>& o,
                                const PixelUnits::Unit& u, int64_t side, T* panels) const {
  const int64_t channels = shape.groups * shape.in_channels, outputs = shape.groups * outs();
  if (side == 0) {
    T* const to = panels + shape.groups * taps() * x_panel();
    const T* dy = o.dy + (u.image * shape.out_plane() + u.row * shape.out[1]) * outputs;
    for (int64_t g = 0; g < shape.groups; ++g) {
      context.kernels.gemm.pack_b(u.pixels, outs(), dy + g * outs(), outputs, 1, to + g * dy_panel());
    }
    return;
  }
  auto* const places = context.template worker_workspace<int64_t>();
  const T* x = o.x + u.image * shape.in_plane() * channels;
  places_of(u, side - 1, places);
  if (normalizes) {
    T* const normalized = reinterpret_cast<T*>(places + round_up(units.pixels(), 8));
    (*o.load)(x + places[0], normalized, u.pixels);
    x = normalized - places[0];
  }
  for (int64_t g = 0; g < shape.groups; ++g) {
    context.kernels.channels_last.pack_pixels(
        {u.pixels, ins(), x + g * shape.in_channels, places, panels + (g * taps() + side - 1) * x_panel()});
  }
}

template <class T>
void DirectWeightGradient::run(const Context<T>& context, const WeightOperands<T>& o) const {
  T* const sums = context.workspace();
  T* const panels = sums + sum_elements();
  const int64_t sides = 1 + taps();  // see pack()
  const int64_t in_blocks = divide_up(ins(), block_in), out_blocks = divide_up(outs(), block_out);
  for (int64_t first = 0; first < units.count(); first += chunk_units) {
    const int64_t count = std::min(chunk_units, units.count() - first);
    parallel_for(count * sides, grain_for(unit_elements() / sides / 4), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        pack(context, o, units[first + i / sides], i % sides, panels + i / sides * unit_elements());
      }
    });
    const int64_t tasks = shape.groups * taps() * in_blocks * out_blocks;
    const int64_t work = count * units.pixels() * block_in * block_out / 16;
    parallel_for(tasks, grain_for(work), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t out = i % out_blocks * block_out, in = i / out_blocks % in_blocks * block_in;
        const int64_t matrix = i / out_blocks / in_blocks, group = matrix / taps();
        for (int64_t k = 0; k < count; ++k) {
          const int64_t pixels = units[first + k].pixels;
          const T* x = panels + k * unit_elements() + matrix * x_panel() + in * pixels;
          const T* dy = panels + k * unit_elements() + shape.groups * taps() * x_panel() +
                        group * dy_panel() + out * pixels;
          context.kernels.gemm.multiply(std::min(block_in, ins() - in), std::min(block_out, outs() - out),
                                        pixels, x, dy, sums + (matrix * ins() + in) * outs() + out, outs(),
                                        first + k > 0, nullptr);
        }
      }
    });
  }
  order_weight(shape, sums, o.dw);
}

template void DirectWeightGradient::run<float>(const Context<float>&, const WeightOperands<float>&) const;
template void DirectWeightGradient::run<double>(const Context<double>&, const WeightOperands<double>&) const;

}  // namespace pleat
