#include <algorithm>

#include "ops/channels_last/algorithms.hpp"
#include "ops/channels_last/padded_rows.hpp"

namespace pleat {
namespace {

constexpr int64_t kTaskPixels = 96;            // fewer would leave weights read too seldom
constexpr int64_t kBlockElements = 112 << 10;  // of the image, in the second cache
constexpr int64_t kFewestPixels = 16;
constexpr int64_t kRowPixels = 56;  // of a row that is a block of its own
// Pixels a multiple of so many elements apart meet in a few lines of the first cache; and what parts them.
constexpr int64_t kMeeting = 1024, kParting = 16;
// Weights that stay in the first cache pass by few pixels at a time: outputs are written line after line.
constexpr int64_t kFirstCacheWeights = 6 << 10, kFewPixels = 96;
// Sums of more than so many take longer than memory needs to read, then write their line.
constexpr int64_t kStreamedSum = 48;
constexpr int64_t kCopyElements = 64 << 10;
constexpr int64_t kAveragedElements = 48 << 10;

}  // namespace

DirectConv::DirectConv(const ConvShape& given, const ops::ConvChannelsLast& attributes, int64_t panel)
    : shape(given),
      nr(panel),
      planar(attributes.planar),
      global_average(attributes.global_average),
      normalizes(attributes.normalizes.has_value()),
      gated(attributes.gated) {
  const ops::Window& w = shape.window;
  const int64_t channels = shape.groups * shape.in_channels;
  copied = planar || is_padded(w);
  const bool meet = copied && !planar && w.stride[1] * channels % kMeeting == 0;
  pixel_stride = channels + (meet ? kParting : 0);
  row_stride = (copied ? read_columns(shape) : shape.in[1]) * pixel_stride;
  const RowTaps window = row_taps(shape, row_stride, pixel_stride);
  taps = window.count;
  depth = window.depth;

  const auto tasks = [&] { return shape.batch * shape.groups * bands() * column_blocks(); };
  const auto is_large = [&] {
    return band_rows * shape.out[1] * block_columns * taps * depth >= 2 * kTaskMultiplyAdds;
  };
  band_rows = std::max<int64_t>(1, shape.out[0]);
  block_columns = round_up(columns(), nr);
  while (copied && band_rows > 1 && read_rows(shape, band_rows) * row_stride > kCopyElements) {
    band_rows = divide_up(band_rows, 2);
  }
  while (global_average && band_rows > 1 && band_rows * shape.out[1] * block_columns > kAveragedElements) {
    band_rows = divide_up(band_rows, 2);
  }
  columns_outside = shape.batch * shape.in_plane() < columns() * shape.kernel_size();
  const auto halve_rows = [&](int64_t fewest) {
    if (band_rows == 1 || band_rows * shape.out[1] < 2 * fewest) return false;
    band_rows = divide_up(band_rows, 2);
    return true;
  };
  const auto halve_columns = [&] {
    if (block_columns == nr) return false;
    block_columns = round_up(block_columns / 2, nr);
    return true;
  };
  const auto halve = [&] {
    return columns_outside ? halve_columns() || halve_rows(kFewestPixels)
                           : halve_rows(kTaskPixels) || halve_columns();
  };
  while (tasks() < kTasks && is_large() && halve()) {
  }
  const int64_t pixels = std::max<int64_t>(1, band_rows * shape.out[1]);
  block_pixels = std::max(kFewestPixels, kBlockElements / channels / w.stride[0] / w.stride[1]);
  if (block_columns > nr && block_columns * taps * depth <= kFirstCacheWeights)
    block_pixels = std::min(block_pixels, kFewPixels);
  by_rows = !is_spaced() && shape.out[1] >= kRowPixels;
  block_pixels = global_average ? pixels : divide_up(pixels, divide_up(pixels, block_pixels));
  if (by_rows) block_pixels = shape.out[1];
}

int64_t DirectConv::packed_elements() const {
  return shape.groups * round_up(columns(), nr) * taps * depth;
}

// Shared: offsets of the taps, then those of averaged outputs, then the copies made beforehand, gated weights
// and the bands' sums. A worker's: places of a task's pixels, then its own copy or normalized block, then the
// outputs that it averages.
Workspace DirectConv::workspace(size_t element) const {
  const auto bytes = [&](int64_t offsets, int64_t elements) {
    return static_cast<size_t>(round_up(offsets, 8)) * sizeof(int64_t) +
           static_cast<size_t>(elements) * element;
  };
  const int64_t images = copied_images() + gated_elements(), band = copied_band(),
                pixels = band_rows * shape.out[1];
  if (!global_average) return {bytes(taps, images), bytes(places(), band)};
  const int64_t sums = shape.batch * bands() * shape.groups * columns();
  return {bytes(taps + std::max(pixels, bands()), images + sums),
          bytes(places(), band + pixels * block_columns)};
}

// Pixels are equally far apart where one row of them goes on as the row before ends.
bool DirectConv::is_spaced() const {
  return band_rows == 1 || shape.out[1] * step() == shape.window.stride[0] * row_stride;
}

int64_t DirectConv::places() const {
  return is_spaced() || by_rows ? 0 : band_rows * shape.out[1];
}

int64_t DirectConv::copied_images() const {
  return copies_beforehand() ? shape.batch * read_rows(shape, shape.out[0]) * row_stride : 0;
}

int64_t DirectConv::copied_band() const {
  if (normalizes) return block_pixels * shape.in_channels;
  return copied && !copies_beforehand() ? read_rows(shape, band_rows) * row_stride : 0;
}

bool DirectConv::streams() const {
  return !global_average && shape.groups == 1 && taps * depth <= kStreamedSum &&
         shape.batch * shape.out_plane() * columns() >= kStreamedElements;
}

template <class T>
void DirectConv::pack(const kernels::KernelTable<T>& kernels, const FilterView<T>& filter, T* packed) const {
  const int64_t size = shape.kernel_size(), inputs = shape.in_channels, panels = divide_up(columns(), nr);
  const int64_t width = shape.window.kernel[1];
  parallel_for(shape.groups * panels, grain_for(size * inputs * nr), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t first = i % panels * nr, count = std::min(nr, columns() - first);
      const T* from = filter.data + i / panels * filter.groups + first * filter.outs;
      for (int64_t t = 0; t < size; ++t) {
        kernels.gemm.pack_b(inputs, count, from + t / width * filter.rows + t % width * filter.columns,
                            filter.ins, filter.outs, packed + (i * size + t) * inputs * nr);
      }
    }
  });
}

// The packed weights once for each gate: an input's `nr` weights are multiplied by what its channel of x
// would be.
template <class T>
void DirectConv::gate_weights(const kernels::KernelTable<T>& kernels, const ConvOperands<T>& o,
                              T* weights) const {
  const int64_t inputs = shape.in_channels, panels = divide_up(columns(), nr) * shape.kernel_size();
  parallel_for(o.gates * panels, grain_for(inputs * nr / 16), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      kernels.gemm.scale_panel(inputs, o.packed + i % panels * inputs * nr, o.gate + i / panels * inputs,
                               weights + i * inputs * nr);
    }
  });
}

template <class T>
void DirectConv::run(const Context<T>& context, const ConvOperands<T>& o) const {
  const ops::Window& w = shape.window;
  const int64_t channels = shape.groups * shape.in_channels, outputs = shape.groups * columns();
  const int64_t blocks = column_blocks(), band_pixels = band_rows * shape.out[1];
  const int64_t all_rows = read_rows(shape, shape.out[0]), image_size = shape.in_plane() * channels;
  // Sums read what was stored while it is near.
  const bool streamed = streams() && o.sums == nullptr && o.epilogue.activation == Activation::none &&
                        begins_lines(o.y, outputs);
  auto* const offsets = context.template workspace<int64_t>();
  auto* const averaged = offsets + taps;  // offsets of what is averaged
  const int64_t most_averaged = global_average ? std::max(band_pixels, bands()) : 0;
  auto* const copies = reinterpret_cast<T*>(offsets + round_up(taps + most_averaged, 8));
  T* const gated_weights = copies + copied_images();
  T* const sums = gated_weights + gated_elements();
  if (gated) gate_weights(context.kernels, o, gated_weights);
  const RowTaps window = row_taps(shape, row_stride, pixel_stride);
  for (int64_t t = 0; t < taps; ++t) offsets[t] = window.offset(t);
  if (copies_beforehand()) {
    parallel_for(shape.batch * all_rows, grain_for(row_stride / 8), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        copy_padded_rows(shape, planar, o.x + i / all_rows * image_size, i % all_rows, 1, pixel_stride,
                         copies + i * row_stride);
      }
    });
  }
  // Of output rows [first, first + rows): what they read.
  const auto rows_of = [&](int64_t image, int64_t first, int64_t rows, T* band) -> const T* {
    const int64_t top = first * w.stride[0];
    if (!copied) {  // pads are negative or none
      return o.x + image * image_size + (top - w.pad_begin[0]) * row_stride - w.pad_begin[1] * channels;
    }
    if (copies_beforehand()) return copies + (image * all_rows + top) * row_stride;
    copy_padded_rows(shape, planar, o.x + image * image_size, top, read_rows(shape, rows), pixel_stride,
                     band);
    return band;
  };
  for (int64_t p = 0; global_average && p < band_pixels; ++p) averaged[p] = p * block_columns;
  const bool spaced = places() == 0;
  const int64_t work = band_pixels * block_columns * taps * depth / 32;
  const int64_t image_bands = shape.batch * bands();
  parallel_for(image_bands * blocks * shape.groups, grain_for(work), [&](int64_t begin, int64_t end) {
    auto* const pixels = context.template worker_workspace<int64_t>();
    auto* const band = reinterpret_cast<T*>(pixels + round_up(places(), 8));
    T* const results = band + copied_band();
    for (int64_t p = 0; p < places(); ++p) pixels[p] = place_of(p);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t group = i % shape.groups, cut = i / shape.groups;
      const int64_t column = (columns_outside ? cut / image_bands : cut % blocks) * block_columns;
      const int64_t image_band = columns_outside ? cut % image_bands : cut / blocks;
      const int64_t image = image_band / bands();
      const int64_t first_row = image_band % bands() * band_rows;
      const int64_t rows = std::min(band_rows, shape.out[0] - first_row), count = rows * shape.out[1];
      const T* x = rows_of(image, first_row, rows, band);
      const int64_t first = (image * shape.out[0] + first_row) * shape.out[1];
      const int64_t channel = group * columns() + column;
      const int64_t block = std::min(block_columns, columns() - column);
      const T* const weights = gated ? gated_weights + image % o.gates * packed_elements() : o.packed;
      if (o.sums != nullptr) o.sums->begin(image_band, channel, block);
      for (int64_t p = 0; p < count; p += block_pixels) {
        const kernels::Epilogue<T> e =
            channels_last_epilogue(o.epilogue, o.bias, o.residual, first + p, outputs, channel);
        const int64_t block_rows = std::min(block_pixels, count - p);
        if (normalizes) (*o.load)(x + p * channels, band, block_rows);
        context.kernels.channels_last.product(
            {.rows = block_rows,
             .columns = block,
             .taps = taps,
             .depth = depth,
             .x = normalizes ? band : x + group * shape.in_channels + (spaced ? place_of(p) : 0),
             .pixels = spaced ? nullptr : pixels + p,
             .offsets = offsets,
             .weights = weights + (group * round_up(columns(), nr) + column) * taps * depth,
             .y = global_average ? results + p * block_columns : o.y + (first + p) * outputs + channel,
             .y_stride = global_average ? block_columns : outputs,
             .epilogue = &e,
             .pixel_stride = step(),
             .streamed = streamed});
        if (o.sums != nullptr) o.sums->add(image_band, first + p, block_rows, channel, block);
      }
      if (global_average) {
        context.kernels.channels_last.average(
            {1, block, count, results, 0, averaged, sums + image_band * outputs + channel, outputs}, T(1));
      }
    }
  });
  if (!global_average) return;
  average_parts(context, shape.batch, bands(), outputs, sums, T(1) / static_cast<T>(shape.out_plane()),
                averaged, o.y);
}

template void DirectConv::pack<float>(const kernels::KernelTable<float>&, const FilterView<float>&,
                                      float*) const;
template void DirectConv::pack<double>(const kernels::KernelTable<double>&, const FilterView<double>&,
                                       double*) const;
template void DirectConv::run<float>(const Context<float>&, const ConvOperands<float>&) const;
template void DirectConv::run<double>(const Context<double>&, const ConvOperands<double>&) const;

}  // namespace pleat
