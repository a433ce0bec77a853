#include <algorithm>

#include "ops/channels_last/algorithms.hpp"

namespace pleat {
namespace {

constexpr int64_t kTasks = 16;  // enough for the threads there may be
constexpr int64_t kTaskMultiplyAdds = 1 << 19;
constexpr int64_t kTaskPixels = 96;           // fewer would leave weights read too seldom
constexpr int64_t kBlockElements = 96 << 10;  // of the image, in the second cache
constexpr int64_t kCopyElements = 64 << 10;
constexpr int64_t kPageElements = 1024;  // rows so far apart share cache sets
constexpr int64_t kLine = 16;

bool is_padded(const ConvShape& shape) {
  const ops::Window& w = shape.window;
  return w.pad_begin[0] > 0 || w.pad_begin[1] > 0 || w.pad_end[0] > 0 || w.pad_end[1] > 0;
}

int64_t read_rows(const ConvShape& shape, int64_t rows) {
  return (rows - 1) * shape.window.stride[0] + (shape.window.kernel[0] - 1) * shape.window.dilation[0] + 1;
}
int64_t read_columns(const ConvShape& shape) {
  return (shape.out[1] - 1) * shape.window.stride[1] +
         (shape.window.kernel[1] - 1) * shape.window.dilation[1] + 1;
}

}  // namespace

DirectConv::DirectConv(const ConvShape& given, int64_t panel) : shape(given), nr(panel) {
  const ops::Window& w = shape.window;
  const int64_t channels = shape.groups * shape.in_channels;
  const bool pages = channels % kPageElements == 0;
  copies = is_padded(shape) || pages;
  pixel_stride = copies && pages ? channels + kLine : channels;
  row_stride = (copies ? read_columns(shape) : shape.in[1]) * pixel_stride;
  const bool joined = shape.groups == 1 && w.dilation[1] == 1 && (!pages || w.kernel[1] == 1);
  taps = joined ? w.kernel[0] : shape.kernel_size();
  depth = joined ? w.kernel[1] * channels : shape.in_channels;

  const auto tasks = [&] {
    return shape.batch * shape.groups * divide_up(shape.out[0], band_rows) *
           divide_up(columns(), block_columns);
  };
  const auto halves = [&] {
    return band_rows * shape.out[1] * block_columns * taps * depth >= 2 * kTaskMultiplyAdds;
  };
  band_rows = std::max<int64_t>(1, shape.out[0]);
  block_columns = round_up(columns(), nr);
  while (band_rows > 1 && copies && band_elements() > kCopyElements) band_rows = divide_up(band_rows, 2);
  while (tasks() < kTasks && halves()) {
    if (band_rows > 1 && band_rows * shape.out[1] >= 2 * kTaskPixels) {
      band_rows = divide_up(band_rows, 2);
    } else if (block_columns > nr) {
      block_columns = round_up(block_columns / 2, nr);
    } else {
      break;
    }
  }
  block_pixels = std::max<int64_t>(kLine, kBlockElements / channels / w.stride[0] / w.stride[1]);
}

int64_t DirectConv::band_elements() const {
  return read_rows(shape, band_rows) * row_stride;
}

int64_t DirectConv::packed_elements() const {
  return shape.groups * round_up(columns(), nr) * taps * depth;
}

Workspace DirectConv::workspace(size_t element) const {
  const auto pixels = static_cast<size_t>(round_up(band_rows * shape.out[1], 8) * int64_t{sizeof(int64_t)});
  const size_t band = copies ? static_cast<size_t>(band_elements()) * element : 0;
  return {static_cast<size_t>(taps) * sizeof(int64_t), pixels + band};
}

template <class T>
void DirectConv::pack(const kernels::KernelTable<T>& kernels, const T* weight, T* packed) const {
  const int64_t size = shape.kernel_size(), inputs = shape.in_channels, panels = divide_up(columns(), nr);
  parallel_for(shape.groups * panels, grain_for(size * inputs * nr), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t first = i % panels * nr, count = std::min(nr, columns() - first);
      const T* from = weight + (i / panels * columns() + first) * inputs * size;
      for (int64_t t = 0; t < size; ++t) {
        kernels.gemm.pack_b(inputs, count, from + t, size, inputs * size,
                            packed + (i * size + t) * inputs * nr);
      }
    }
  });
}

template <class T>
const T* DirectConv::copy_band(const T* image, int64_t first_row, int64_t rows, T* band) const {
  const int64_t channels = shape.groups * shape.in_channels, width = read_columns(shape);
  const int64_t left = std::min(width, shape.window.pad_begin[1]);
  const int64_t inside = std::min(width - left, shape.in[1]);
  const int64_t top = first_row * shape.window.stride[0] - shape.window.pad_begin[0];
  for (int64_t r = 0; r < read_rows(shape, rows); ++r) {
    T* to = band + r * row_stride;
    if (top + r < 0 || top + r >= shape.in[0]) {
      std::fill(to, to + row_stride, T(0));
      continue;
    }
    const T* from = image + (top + r) * shape.in[1] * channels;
    std::fill(to, to + left * pixel_stride, T(0));
    to += left * pixel_stride;
    if (pixel_stride == channels) {
      std::copy(from, from + inside * channels, to);
    } else {
      for (int64_t q = 0; q < inside; ++q) {
        std::copy(from + q * channels, from + (q + 1) * channels, to + q * pixel_stride);
      }
    }
    std::fill(to + inside * pixel_stride, to + (width - left) * pixel_stride, T(0));
  }
  return band;
}

template <class T>
void DirectConv::run(const Context<T>& context, const ConvOperands<T>& o) const {
  const ops::Window& w = shape.window;
  const int64_t channels = shape.groups * shape.in_channels, outputs = shape.groups * columns();
  const int64_t bands = divide_up(shape.out[0], band_rows), blocks = divide_up(columns(), block_columns);
  auto* const offsets = context.template workspace<int64_t>();
  for (int64_t t = 0; t < taps; ++t) {
    const int64_t per_row = taps / w.kernel[0];
    offsets[t] = t / per_row * w.dilation[0] * row_stride + t % per_row * w.dilation[1] * pixel_stride;
  }
  const int64_t work = band_rows * shape.out[1] * block_columns * taps * depth / 32;
  parallel_for(shape.batch * bands * blocks * shape.groups, grain_for(work), [&](int64_t begin, int64_t end) {
    auto* const pixels = context.template worker_workspace<int64_t>();
    auto* const band = reinterpret_cast<T*>(pixels + round_up(band_rows * shape.out[1], 8));
    for (int64_t i = begin; i < end; ++i) {
      const int64_t group = i % shape.groups, block = i / shape.groups % blocks;
      const int64_t image = i / shape.groups / blocks / bands;
      const int64_t first_row = i / shape.groups / blocks % bands * band_rows;
      const int64_t rows = std::min(band_rows, shape.out[0] - first_row), count = rows * shape.out[1];
      for (int64_t p = 0; p < count; ++p) {
        pixels[p] =
            p / shape.out[1] * w.stride[0] * row_stride + p % shape.out[1] * w.stride[1] * pixel_stride;
      }
      const T* x = o.x + image * shape.in_plane() * channels;
      x = copies ? copy_band(x, first_row, rows, band) : x + first_row * w.stride[0] * row_stride;
      const int64_t column = block * block_columns, width = std::min(block_columns, columns() - column);
      const int64_t first = (image * shape.out[0] + first_row) * shape.out[1];
      for (int64_t p = 0; p < count; p += block_pixels) {
        const int64_t channel = group * columns() + column;
        const kernels::Epilogue<T> e =
            channels_last_epilogue(o.epilogue, o.bias, o.residual, first + p, outputs, channel);
        context.kernels.channels_last.product(
            {.rows = std::min(block_pixels, count - p),
             .columns = width,
             .taps = taps,
             .depth = depth,
             .x = x + group * shape.in_channels,
             .pixels = pixels + p,
             .offsets = offsets,
             .weights = o.packed + (group * round_up(columns(), nr) + column) * taps * depth,
             .y = o.y + (first + p) * outputs + channel,
             .y_stride = outputs,
             .epilogue = &e});
      }
    }
  });
}

template void DirectConv::pack<float>(const kernels::KernelTable<float>&, const float*, float*) const;
template void DirectConv::pack<double>(const kernels::KernelTable<double>&, const double*, double*) const;
template void DirectConv::run<float>(const Context<float>&, const ConvOperands<float>&) const;
template void DirectConv::run<double>(const Context<double>&, const ConvOperands<double>&) const;

}  // namespace pleat
