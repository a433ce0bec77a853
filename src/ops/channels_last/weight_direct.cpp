#include "ops/channels_last/weight_algorithms.hpp"

namespace pleat {
namespace {

constexpr int64_t kUnitPixels = 256;              // of a product: dy's panel stays in the first cache
constexpr int64_t kMostIn = 192, kMostOut = 192;  // the panels of a task's block stay in the second
constexpr int64_t kFewChannels = 8;

bool joins(const ConvShape& shape) {
  return shape.groups == 1 && shape.in_channels < kFewChannels && shape.window.dilation[1] == 1 &&
         shape.kernel_size() > 1;
}
int64_t images_of_unit(const ConvShape& shape) {
  const int64_t pixels = std::max<int64_t>(1, shape.out_plane());
  return std::clamp<int64_t>(kUnitPixels / pixels, 1, std::max<int64_t>(1, shape.batch));
}
// Rows of a unit: all, or as many as make the units of an image alike.
int64_t rows_of_unit(const ConvShape& shape) {
  const int64_t pixels = std::max<int64_t>(1, shape.out_plane());
  const int64_t pieces = images_of_unit(shape) > 1 ? 1 : divide_up(pixels, kUnitPixels);
  return std::max<int64_t>(1, divide_up(shape.out[0], pieces));
}
int64_t units_of_image(const ConvShape& shape) {
  return divide_up(shape.out[0], rows_of_unit(shape));
}

}  // namespace

DirectWeightGradient::DirectWeightGradient(const ConvShape& given, int64_t rows, int64_t columns)
    : shape(given),
      mr(rows),
      nr(columns),
      joined(joins(given)),
      unit_images(images_of_unit(given)),
      unit_rows(rows_of_unit(given)),
      row_units(units_of_image(given)),
      tasks(given, joined ? given.window.kernel[1] * given.in_channels : given.in_channels,
            joined ? given.window.kernel[0] : given.kernel_size(),
            divide_up(given.batch, unit_images) * row_units, mr, nr, kMostIn, kMostOut) {}

int64_t DirectWeightGradient::copied_width() const {
  return (shape.out[1] - 1) * shape.window.stride[1] + shape.window.kernel[1];
}
int64_t DirectWeightGradient::copied_rows() const {
  return (unit_rows - 1) * shape.window.stride[0] + (shape.window.kernel[0] - 1) * shape.window.dilation[0] +
         1;
}
int64_t DirectWeightGradient::copied_elements() const {
  return joined ? copied_rows() * copied_width() * shape.in_channels : 0;  // of an image
}

// Shared: the partial sums. A worker's: places of a unit's pixels, then both sides' panels, then the copy.
Workspace DirectWeightGradient::workspace(size_t element) const {
  const int64_t panels = pixels() * (round_up(tasks.block_in, mr) + round_up(tasks.block_out, nr));
  const int64_t own = std::max(panels + unit_images * copied_elements(), tasks.sum_elements());
  return {static_cast<size_t>(tasks.elements()) * element,
          static_cast<size_t>(round_up(pixels(), 8)) * sizeof(int64_t) + static_cast<size_t>(own) * element};
}

// The rows of a padded image that a unit reads.
template <class T>
void DirectWeightGradient::copy_image(const T* image, int64_t first_row, T* to) const {
  const int64_t channels = shape.in_channels, width = copied_width(), pad = shape.window.pad_begin[1];
  const int64_t left = std::clamp<int64_t>(pad, 0, width), cut = std::max<int64_t>(0, -pad);
  const int64_t inside = std::clamp<int64_t>(shape.in[1] - cut, 0, width - left);
  for (int64_t r = 0; r < copied_rows(); ++r, to += width * channels) {
    const int64_t row = first_row * shape.window.stride[0] - shape.window.pad_begin[0] + r;
    std::fill(to, to + width * channels, T(0));
    if (row < 0 || row >= shape.in[0]) continue;
    const T* from = image + (row * shape.in[1] + cut) * channels;
    std::copy(from, from + inside * channels, to + left * channels);
  }
}

template <class T>
void DirectWeightGradient::run(const Context<T>& context, const WeightOperands<T>& o) const {
  const ops::Window& w = shape.window;
  const int64_t channels = shape.groups * shape.in_channels, outputs = shape.groups * shape.out_channels;
  T* const partial = context.workspace();
  const int64_t work = shape.multiply_adds() / 16 / std::max<int64_t>(1, tasks.count());
  parallel_for(tasks.count(), grain_for(work), [&](int64_t begin, int64_t end) {
    auto* const places = context.template worker_workspace<int64_t>();
    T* const x_panels = reinterpret_cast<T*>(places + round_up(pixels(), 8));
    T* const dy_panels = x_panels + pixels() * round_up(tasks.block_in, mr);
    T* const copies = dy_panels + pixels() * round_up(tasks.block_out, nr);
    for (int64_t i = begin; i < end; ++i) {
      const WeightTasks::Task task = tasks.task(i);
      for (int64_t unit = task.first_unit; unit < task.last_unit; ++unit) {
        const int64_t first = unit / row_units * unit_images, top = unit % row_units * unit_rows;
        const int64_t images = std::min(unit_images, shape.batch - first);
        const int64_t rows = std::min(unit_rows, shape.out[0] - top), count = images * rows * shape.out[1];
        const T* dy = o.dy + (first * shape.out_plane() + top * shape.out[1]) * outputs +
                      task.group * shape.out_channels + task.out;
        context.kernels.gemm.pack_b(count, task.out_count, dy, outputs, 1, dy_panels);
        const T* x =
            joined ? copies + task.in
                   : o.x + first * shape.in_plane() * channels + task.group * shape.in_channels + task.in;
        for (int64_t n = 0; joined && n < images; ++n) {
          copy_image(o.x + (first + n) * shape.in_plane() * channels, top, copies + n * copied_elements());
        }
        for (int64_t t = 0; t < tasks.matrices; ++t) {
          int64_t* place = places;
          for (int64_t n = 0; n < images; ++n) {
            for (int64_t r = 0; r < rows; ++r) {
              if (joined) {
                const int64_t row = r * w.stride[0] + t * w.dilation[0];
                const int64_t at = n * copied_elements() + row * copied_width() * channels;
                for (int64_t q = 0; q < shape.out[1]; ++q) *place++ = at + q * w.stride[1] * channels;
                continue;
              }
              const int64_t y = (top + r) * w.stride[0] - w.pad_begin[0] + t / w.kernel[1] * w.dilation[0];
              const int64_t left = t % w.kernel[1] * w.dilation[1] - w.pad_begin[1];
              const bool row_inside = y >= 0 && y < shape.in[0];
              for (int64_t q = 0; q < shape.out[1]; ++q) {
                const int64_t column = q * w.stride[1] + left;
                const bool inside = row_inside && column >= 0 && column < shape.in[1];
                *place++ = inside ? ((n * shape.in[0] + y) * shape.in[1] + column) * channels : -1;
              }
            }
          }
          context.kernels.channels_last.pack_pixels({count, task.in_count, x, places, x_panels});
          context.kernels.gemm.multiply(task.in_count, task.out_count, count, x_panels, dy_panels,
                                        partial + tasks.place(task, t), tasks.outs, unit > task.first_unit,
                                        nullptr);
        }
      }
    }
  });
  // Row t*ins + i of the partial sums is tap and channel t*ins + i of the window, joined or not.
  const int64_t size = shape.kernel_size(), inputs = shape.in_channels;
  reduce_parts(tasks, context, partial,
               [&](int64_t group, int64_t out, int64_t count, int64_t row, const T* sums) {
                 for (int64_t j = 0; j < count; ++j) {
                   T* const dw = o.dw + (group * shape.out_channels + out + j) * inputs * size;
                   for (int64_t t = 0; t < tasks.matrices; ++t) {
                     const int64_t place = t * tasks.ins + row;
                     dw[place % inputs * size + place / inputs] = sums[t * kReduceColumns + j];
                   }
                 }
               });
}

template void DirectWeightGradient::run<float>(const Context<float>&, const WeightOperands<float>&) const;
template void DirectWeightGradient::run<double>(const Context<double>&, const WeightOperands<double>&) const;

}  // namespace pleat
