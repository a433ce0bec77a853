#include "ops/channels_last/weight_algorithms.hpp"

namespace pleat {
namespace {

constexpr int64_t kUnitPixels = 256;              // of a product: dy's panel stays in the first cache
constexpr int64_t kChunkElements = 512 << 10;     // of all panels, in the last cache
constexpr int64_t kMostIn = 192, kMostOut = 256;  // of a task, whose sums stay in the second
constexpr int64_t kFewChannels = 8;
constexpr int64_t kParts = 32, kMostSums = 16 << 10;  // elements of a part's sums, in its second cache

bool joins(const ConvShape& shape) {
  return shape.groups == 1 && shape.in_channels < kFewChannels && shape.kernel_size() > 1;
}

// Parts of `size` that are alike, of at most `most`, in multiples.
int64_t block_of(int64_t size, int64_t most, int64_t multiple) {
  const int64_t all = std::max<int64_t>(1, size);
  return round_up(divide_up(all, divide_up(all, most)), multiple);
}

}  // namespace

DirectWeightGradient::DirectWeightGradient(const ConvShape& given, int64_t rows, int64_t columns)
    : shape(given), mr(rows), nr(columns), joined(joins(given)) {
  taps = joined ? 1 : shape.kernel_size();
  depth = joined ? shape.kernel_size() * shape.in_channels : shape.in_channels;

  const int64_t plane = std::max<int64_t>(1, shape.out_plane());
  unit_images = std::clamp<int64_t>(kUnitPixels / plane, 1, std::max<int64_t>(1, shape.batch));
  unit_rows = std::max<int64_t>(1, divide_up(shape.out[0], divide_up(plane, kUnitPixels)));
  row_units = divide_up(shape.out[0], unit_rows);
  chunk_units = std::clamp<int64_t>(kChunkElements / std::max<int64_t>(1, unit_elements()), 1,
                                    std::max<int64_t>(1, units()));

  parts = shape.groups == 1 && sum_elements() <= kMostSums ? std::min(kParts, units()) : 1;
  // Of the pixels that lie as a product wants them, the side of fewer paddings is A; the other one is packed.
  const auto cost = [&](int64_t a, int64_t b) { return round_up(a, mr) * round_up(b, nr) + 4 * b; };
  transposed = in_parts() && reads_in_place() && cost(outs(), depth) < cost(depth, outs());

  block_in = block_of(depth, kMostIn, mr);
  block_out = block_of(outs(), kMostOut, nr);
  const int64_t useful = std::min(kTasks, shape.multiply_adds() / (2 * kTaskMultiplyAdds));
  while (shape.groups * taps * divide_up(depth, block_in) * divide_up(outs(), block_out) < useful) {
    if (block_out >= 4 * nr && block_out >= block_in) {
      block_out = round_up(block_out / 2, nr);
    } else if (block_in >= 4 * mr) {
      block_in = round_up(block_in / 2, mr);
    } else {
      break;
    }
  }
}

DirectWeightGradient::Unit DirectWeightGradient::unit(int64_t i) const {
  const int64_t image = i / row_units * unit_images, row = i % row_units * unit_rows;
  const int64_t images = std::min(unit_images, shape.batch - image);
  const int64_t rows = std::min(unit_rows, shape.out[0] - row);
  return {image, images, row, rows, images * rows * shape.out[1]};
}

// Shared: the sums (groups, taps, depth, out), then the panels of a chunk; or each part's sums. A worker's:
// places of a unit's pixels, then their joined taps; then the unit's panels.
Workspace DirectWeightGradient::workspace(size_t element) const {
  const int64_t worker = joined_elements() + (in_parts() ? unit_elements() : 0);
  const int64_t shared = in_parts() ? parts * sum_stride() : sum_stride() + chunk_units * unit_elements();
  return {static_cast<size_t>(shared) * element,
          static_cast<size_t>(round_up(unit_pixels(), 8)) * sizeof(int64_t) +
              static_cast<size_t>(worker) * element};
}

// What tap `tap` of each pixel reads, from the unit's first image on; -1 outside.
void DirectWeightGradient::places_of(const Unit& u, int64_t tap, int64_t* places) const {
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

// rows[pixel][tap][channel]: the taps of a row are neighbours in x where they are inside and not dilated.
template <class T>
void DirectWeightGradient::join_taps(const Unit& u, const T* x, int64_t* places, T* rows) const {
  const ops::Window& w = shape.window;
  const int64_t channels = shape.in_channels, run = w.kernel[1] * channels;
  for (int64_t p = 0; p < u.pixels; ++p, rows += depth) {
    const int64_t image = p / (u.rows * shape.out[1]), row = u.row + p / shape.out[1] % u.rows;
    const int64_t left = p % shape.out[1] * w.stride[1] - w.pad_begin[1];
    const bool together = left >= 0 && left + w.kernel[1] <= shape.in[1] && w.dilation[1] == 1;
    for (int64_t ky = 0; ky < w.kernel[0]; ++ky) {
      const int64_t y = row * w.stride[0] - w.pad_begin[0] + ky * w.dilation[0];
      const bool row_inside = y >= 0 && y < shape.in[0];
      const T* const from = x + ((image * shape.in[0] + y) * shape.in[1] + left) * channels;
      T* to = rows + ky * run;
      if (row_inside && together) {
        for (int64_t c = 0; c < run; ++c) to[c] = from[c];
        continue;
      }
      for (int64_t kx = 0; kx < w.kernel[1]; ++kx, to += channels) {
        const int64_t column = left + kx * w.dilation[1];
        const bool inside = row_inside && column >= 0 && column < shape.in[1];
        for (int64_t c = 0; c < channels; ++c)
          to[c] = inside ? from[kx * w.dilation[1] * channels + c] : T(0);
      }
    }
    places[p] = p * depth;
  }
}

// Side 0: dy's panels; side 1 + tap: x's of one tap.
template <class T>
void DirectWeightGradient::pack(const Context<T>& context, const WeightOperands<T>& o, const Unit& u,
                                int64_t side, T* panels) const {
  const int64_t channels = shape.groups * shape.in_channels, outputs = shape.groups * outs();
  if (side == 0) {
    T* const to = panels + shape.groups * taps * x_panel();
    const T* dy = o.dy + (u.image * shape.out_plane() + u.row * shape.out[1]) * outputs;
    for (int64_t g = 0; g < shape.groups; ++g) {
      context.kernels.gemm.pack_b(u.pixels, outs(), dy + g * outs(), outputs, 1, to + g * dy_panel());
    }
    return;
  }
  auto* const places = context.template worker_workspace<int64_t>();
  T* const rows = reinterpret_cast<T*>(places + round_up(unit_pixels(), 8));
  const T* x = o.x + u.image * shape.in_plane() * channels;
  if (joined) {
    join_taps(u, x, places, rows);
    x = rows;
  } else {
    places_of(u, side - 1, places);
  }
  for (int64_t g = 0; g < shape.groups; ++g) {
    context.kernels.channels_last.pack_pixels(
        {u.pixels, depth, x + g * shape.in_channels, places, panels + (g * taps + side - 1) * x_panel()});
  }
}

template <class T>
void DirectWeightGradient::run(const Context<T>& context, const WeightOperands<T>& o) const {
  in_parts() ? run_parts(context, o) : run_chunks(context, o);
  const T* const sums = context.workspace();
  if (transposed) {  // and pointwise: they are in the weight's order
    std::copy_n(sums, sum_elements(), o.dw);
  } else {
    finish(sums, o.dw);
  }
}

// The sums (depth, out), or transposed.
template <class T>
void DirectWeightGradient::multiply_in_place(const Context<T>& context, const WeightOperands<T>& o,
                                             const Unit& u, T* panels, T* sums, bool accumulate) const {
  const T* const x = o.x + (u.image * shape.in_plane() + u.row * shape.in[1]) * depth;
  const T* const dy = o.dy + (u.image * shape.out_plane() + u.row * shape.out[1]) * outs();
  const int64_t rows = transposed ? outs() : depth, columns = transposed ? depth : outs();
  context.kernels.gemm.pack_b(u.pixels, columns, transposed ? x : dy, columns, 1, panels);
  context.kernels.gemm.multiply_strided(rows, columns, u.pixels, transposed ? dy : x, 1, rows, panels, sums,
                                        columns, accumulate, nullptr);
}

// Each part packs a unit at a time and adds its product to sums of its own, which are added in order.
template <class T>
void DirectWeightGradient::run_parts(const Context<T>& context, const WeightOperands<T>& o) const {
  T* const sums = context.workspace();
  const kernels::GemmKernels<T>& gemm = context.kernels.gemm;
  const int64_t most = divide_up(units(), parts);
  parallel_for(parts, grain_for(most * unit_pixels() * sum_elements() / 16), [&](int64_t begin, int64_t end) {
    auto* const places = context.template worker_workspace<int64_t>();
    T* const panels = reinterpret_cast<T*>(places + round_up(unit_pixels(), 8)) + joined_elements();
    for (int64_t part = begin; part < end; ++part) {
      T* const part_sums = sums + part * sum_stride();
      const int64_t first = part * units() / parts, last = (part + 1) * units() / parts;
      for (int64_t k = first; k < last; ++k) {
        const Unit u = unit(k);
        if (reads_in_place()) {
          multiply_in_place(context, o, u, panels, part_sums, k > first);
          continue;
        }
        pack(context, o, u, 0, panels);
        const T* const dy = panels + taps * x_panel();
        for (int64_t tap = 0; tap < taps; ++tap) {
          pack(context, o, u, 1 + tap, panels);
          gemm.multiply(depth, outs(), u.pixels, panels + tap * x_panel(), dy,
                        part_sums + tap * depth * outs(), outs(), k > first, nullptr);
        }
      }
    }
  });
  add_parts(sums, sum_elements(), parts, sum_stride());
}

template <class T>
void DirectWeightGradient::run_chunks(const Context<T>& context, const WeightOperands<T>& o) const {
  T* const sums = context.workspace();
  T* const panels = sums + sum_stride();
  const int64_t sides = 1 + taps;  // see pack()
  const int64_t in_blocks = divide_up(depth, block_in), out_blocks = divide_up(outs(), block_out);
  for (int64_t first = 0; first < units(); first += chunk_units) {
    const int64_t count = std::min(chunk_units, units() - first);
    parallel_for(count * sides, grain_for(unit_elements() / sides / 4), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        pack(context, o, unit(first + i / sides), i % sides, panels + i / sides * unit_elements());
      }
    });
    const int64_t tasks = shape.groups * taps * in_blocks * out_blocks;
    const int64_t work = count * unit_pixels() * block_in * block_out / 16;
    parallel_for(tasks, grain_for(work), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t out = i % out_blocks * block_out, in = i / out_blocks % in_blocks * block_in;
        const int64_t matrix = i / out_blocks / in_blocks, group = matrix / taps;
        for (int64_t k = 0; k < count; ++k) {
          const int64_t pixels = unit(first + k).pixels;
          const T* x = panels + k * unit_elements() + matrix * x_panel() + in * pixels;
          const T* dy = panels + k * unit_elements() + shape.groups * taps * x_panel() + group * dy_panel() +
                        out * pixels;
          context.kernels.gemm.multiply(std::min(block_in, depth - in), std::min(block_out, outs() - out),
                                        pixels, x, dy, sums + (matrix * depth + in) * outs() + out, outs(),
                                        first + k > 0, nullptr);
        }
      }
    });
  }
}

// Row t*depth + i of a group's sums is row tap*in_channels + channel of the weight, joined or not.
template <class T>
void DirectWeightGradient::finish(const T* sums, T* dw) const {
  const int64_t size = shape.kernel_size(), ins = shape.in_channels;
  const int64_t blocks = divide_up(outs(), kFinishColumns);
  parallel_for(shape.groups * blocks, grain_for(ins * size * kFinishColumns),
               [&](int64_t begin, int64_t end) {
                 for (int64_t i = begin; i < end; ++i) {
                   const int64_t group = i / blocks, out = i % blocks * kFinishColumns;
                   const T* from = sums + group * size * ins * outs() + out;
                   T* const to = dw + (group * outs() + out) * ins * size;
                   for (int64_t c = 0; c < ins; ++c) {
                     for (int64_t t = 0; t < size; ++t) {
                       const T* row = from + (t * ins + c) * outs();
                       for (int64_t j = 0; j < std::min(kFinishColumns, outs() - out); ++j) {
                         to[(j * ins + c) * size + t] = row[j];
                       }
                     }
                   }
                 }
               });
}

template void DirectWeightGradient::run<float>(const Context<float>&, const WeightOperands<float>&) const;
template void DirectWeightGradient::run<double>(const Context<double>&, const WeightOperands<double>&) const;

}  // namespace pleat
