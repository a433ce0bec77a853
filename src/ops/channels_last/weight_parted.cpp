#include "ops/channels_last/padded_rows.hpp"
#include "ops/channels_last/weight_algorithms.hpp"

namespace pleat {
namespace {

constexpr int64_t kParts = 32, kMostSums = 16 << 10;  // elements of a part's sums, in its second cache

}  // namespace

bool PartedWeightGradient::fits(const ConvShape& shape) {
  return shape.groups == 1 && shape.kernel_size() * shape.in_channels * shape.out_channels <= kMostSums &&
         PixelUnits(shape).count() > 1;
}

PartedWeightGradient::PartedWeightGradient(const ConvShape& given, int64_t mr, int64_t columns,
                                           bool normalized)
    : shape(given),
      nr(columns),
      units(shape),
      parts(std::min(kParts, units.count())),
      normalizes(normalized) {
  const RowTaps window = row_taps(shape, x_row(), shape.groups * shape.in_channels);
  taps = window.count;
  depth = window.depth;
  // The side of fewer paddings lies as it is; the other one is packed.
  const auto cost = [&](int64_t a, int64_t b) { return round_up(a, mr) * round_up(b, nr) + 4 * b; };
  transposed = shape.window.is_pointwise() && cost(outs(), depth) < cost(depth, outs());
}

int64_t PartedWeightGradient::x_row() const {
  return read_columns(shape) * shape.in_channels;
}

int64_t PartedWeightGradient::row_pixels() const {
  return one_stride() ? read_columns(shape) : shape.out[1];
}

int64_t PartedWeightGradient::copied_elements() const {
  if (shape.window.is_pointwise()) return normalizes ? round_up(units.pixels() * depth, 16) : 0;
  return round_up(read_rows(shape, units.rows()) * x_row(), 16);
}

// Shared: each part's sums. A worker's: rows of x, or pixels normalized, then the panels of a product.
Workspace PartedWeightGradient::workspace(size_t element) const {
  const int64_t pixels =
      shape.window.is_pointwise() ? units.pixels() : product_rows(units.rows()) * row_pixels();
  const int64_t panels = pixels * round_up(transposed ? depth : outs(), nr);
  return {static_cast<size_t>(parts * sum_stride()) * element,
          static_cast<size_t>(copied_elements() + panels) * element};
}

// sums (depth, out), or transposed, of a window of one pixel.
template <class T>
void PartedWeightGradient::add_pixels(const Context<T>& context, const WeightOperands<T>& o,
                                      const PixelUnits::Unit& u, T* memory, T* sums, bool accumulate) const {
  const int64_t first = u.image * shape.out_plane() + u.row * shape.out[1];
  const T *x = o.x + first * depth, *const dy = o.dy + first * outs();
  T *const normalized = memory, *const panels = memory + copied_elements();
  if (normalizes) {
    (*o.load)(x, normalized, u.pixels);
    x = normalized;
  }
  const int64_t rows = transposed ? outs() : depth, columns = transposed ? depth : outs();
  context.kernels.gemm.pack_b(u.pixels, columns, transposed ? x : dy, columns, 1, panels);
  context.kernels.gemm.multiply_strided(rows, columns, u.pixels, transposed ? dy : x, 1, rows, panels, sums,
                                        columns, accumulate, nullptr);
}

// Panels of rows of dy, with zeros between them where rows of x are longer. Returns the pixels.
template <class T>
int64_t PartedWeightGradient::pack_rows(const Context<T>& context, const T* dy, int64_t rows,
                                        T* panels) const {
  const int64_t width = shape.out[1], step = row_pixels(), pixels = (rows - 1) * step + width;
  for (int64_t j = 0; j < outs(); j += nr, panels += pixels * nr) {
    for (int64_t r = 0; r < rows; ++r) {
      T* const row = panels + r * step * nr;
      context.kernels.gemm.pack_b(width, std::min(nr, outs() - j), dy + r * width * outs() + j, outs(), 1,
                                  row);
      if (r + 1 < rows) std::fill(row + width * nr, row + step * nr, T(0));
    }
  }
  return pixels;
}

// sums (taps, depth, out)
template <class T>
void PartedWeightGradient::add_windows(const Context<T>& context, const WeightOperands<T>& o,
                                       const PixelUnits::Unit& u, T* memory, T* sums, bool accumulate) const {
  const ops::Window& w = shape.window;
  const RowTaps window = row_taps(shape, x_row(), shape.groups * shape.in_channels);
  const int64_t channels = shape.in_channels, product = product_rows(u.rows);
  T *const copied = memory, *const panels = memory + copied_elements();
  for (int64_t image = u.image; image < u.image + u.images; ++image) {
    copy_padded_rows(shape, false, o.x + image * shape.in_plane() * channels, u.row * w.stride[0],
                     read_rows(shape, u.rows), channels, copied);
    for (int64_t row = 0; row < u.rows; row += product, accumulate = true) {
      const T* const dy = o.dy + (image * shape.out[0] + u.row + row) * shape.out[1] * outs();
      const int64_t pixels = pack_rows(context, dy, product, panels);
      for (int64_t t = 0; t < taps; ++t) {
        const T* const x = copied + row * w.stride[0] * x_row() + window.offset(t);
        context.kernels.gemm.multiply_strided(depth, outs(), pixels, x, 1, w.stride[1] * channels, panels,
                                              sums + t * depth * outs(), outs(), accumulate, nullptr);
      }
    }
  }
}

template <class T>
void PartedWeightGradient::run(const Context<T>& context, const WeightOperands<T>& o) const {
  T* const sums = context.workspace();
  const int64_t work = divide_up(units.count(), parts) * units.pixels() * sum_elements() / 16;
  parallel_for(parts, grain_for(work), [&](int64_t begin, int64_t end) {
    T* const memory = context.worker_workspace();
    for (int64_t part = begin; part < end; ++part) {
      const int64_t first = part * units.count() / parts, last = (part + 1) * units.count() / parts;
      T* const part_sums = sums + part * sum_stride();
      for (int64_t i = first; i < last; ++i) {
        if (shape.window.is_pointwise()) {
          add_pixels(context, o, units[i], memory, part_sums, i > first);
        } else {
          add_windows(context, o, units[i], memory, part_sums, i > first);
        }
      }
    }
  });
  add_parts(sums, sum_elements(), parts, sum_stride());
  if (transposed) {  // the weight's order
    std::copy_n(sums, sum_elements(), o.dw);
  } else {
    order_weight(shape, sums, o.dw);
  }
}

template void PartedWeightGradient::run<float>(const Context<float>&, const WeightOperands<float>&) const;
template void PartedWeightGradient::run<double>(const Context<double>&, const WeightOperands<double>&) const;

}  // namespace pleat
