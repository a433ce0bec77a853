#include "support/op_case.hpp"

namespace pleat::test {
namespace {

constexpr double kEnd = 9.2e18;  // beyond every size

CaseInput list(const std::vector<double>& values, DType dtype = DType::i64) {
  CaseInput input = integers(values);
  input.dtype = dtype;
  return input;
}

OpCase transpose(std::string name, Shape shape, std::vector<int64_t> order, DType dtype = DType::f32) {
  return {.name = "transpose " + name,
          .attributes = ops::Transpose{std::move(order)},
          .inputs = {{.shape = std::move(shape), .low = -100, .high = 100, .dtype = dtype}}};
}

OpCase strided_slice(std::string name, Shape shape, const std::vector<CaseInput>& bounds) {
  OpCase made{.name = "strided_slice " + name,
              .attributes = ops::StridedSlice{},
              .inputs = {{.shape = std::move(shape)}}};
  made.inputs.insert(made.inputs.end(), bounds.begin(), bounds.end());
  return made;
}

OpCase gather(std::string name, int64_t dim, Shape shape, CaseInput indices) {
  indices.differentiate = false;
  return {.name = "gather " + name,
          .attributes = ops::Gather{dim},
          .inputs = {{.shape = std::move(shape)}, std::move(indices)}};
}

OpCase pad(std::string name, ops::PadMode mode, Shape shape, const std::vector<double>& pads) {
  return {.name = "pad " + name,
          .attributes = ops::Pad{mode},
          .inputs = {{.shape = std::move(shape)}, integers(pads)}};
}

// With axes and a value of its own.
OpCase pad_value() {
  OpCase made = pad("with a value", ops::PadMode::constant, {2, 3, 4, 5}, {1, -2, 3, 2});
  made.inputs.push_back({.shape = {}, .differentiate = false});
  made.inputs.push_back(list({-1, 1}, DType::i32));
  return made;
}

OpCase split(std::string name, ops::Split attributes, const std::vector<CaseInput>& inputs) {
  return {.name = "split " + name,
          .attributes = attributes,
          .inputs = inputs,
          .outputs_checked = static_cast<int>(attributes.parts)};
}

}  // namespace

std::vector<OpCase> movement_cases() {
  const CaseInput absent{.shape = {}, .absent = true};
  return {
      transpose("NCHW to NHWC", {2, 19, 5, 7}, {0, 2, 3, 1}),
      transpose("NHWC to NCHW", {2, 35, 3}, {0, 2, 1}),
      transpose("channel shuffle", {2, 3, 4, 5, 5}, {0, 2, 1, 3, 4}),
      transpose("reversed", {3, 4, 5}, {}),
      transpose("a long row", {3, 20000}, {1, 0}),
      transpose("of i64", {33, 18}, {1, 0}, DType::i64),
      transpose("of i32", {17, 2, 18}, {2, 1, 0}, DType::i32),
      transpose("of booleans", {70, 130}, {1, 0}, DType::boolean),
      transpose("of a scalar", {}, {}),
      strided_slice("two axes", {4, 9, 5}, {list({1, -2}), list({3, kEnd}), list({1, 2}), absent}),
      strided_slice("backward", {3, 10, 2},
                    {list({-1, 2}), list({-kEnd, 0}), list({1, 0}, DType::i32), list({-3, -1})}),
      strided_slice("without axes", {6, 7}, {list({1, 2}), list({-1, 6}), absent, absent}),
      strided_slice("of nothing", {6, 7}, {list({4}), list({2}), list({0}), absent}),
      gather("rows", 0, {5, 70}, {.shape = {2, 3}, .low = -5, .high = 5, .dtype = DType::i64}),
      gather("of the last dimension", -1, {3, 6}, {.shape = {9}, .low = 0, .high = 6, .dtype = DType::i32}),
      gather("one", 1, {3, 4, 5}, {.shape = {}, .low = 0, .high = 4, .dtype = DType::i64}),
      {.name = "expand",
       .attributes = ops::Expand{},
       .inputs = {{.shape = {3, 1, 4}, .differentiate = false}, integers({2, 1, 5, 1})}},
      {.name = "squeeze",
       .attributes = ops::Squeeze{},
       .inputs = {{.shape = {1, 3, 1, 4}}, list({0, -2}, DType::i32)}},
      {.name = "tile", .attributes = ops::Tile{}, .inputs = {{.shape = {2, 3, 4}}, integers({3, 1, 2})}},
      {.name = "tile of one column",
       .attributes = ops::Tile{},
       .inputs = {{.shape = {3, 1}}, list({1, 300}, DType::i32)}},
      split("by sizes", {1, 3}, {{.shape = {2, 9, 3}}, integers({2, 0, 7})}),
      split("with a smaller last part", {-1, 3}, {{.shape = {4, 8}}, absent}),
      pad("with zeros", ops::PadMode::constant, {2, 3, 5, 5}, {0, 0, 1, 2, 0, 0, 3, 1}),
      pad_value(),
      pad("edge", ops::PadMode::edge, {2, 4, 3}, {1, 0, 2, 2, -1, 3}),
      pad("reflect", ops::PadMode::reflect, {3, 4, 1}, {2, 7, 2, 1, 3, 1}),
      pad("wrap", ops::PadMode::wrap, {3, 4}, {2, 5, -1, 9}),
      {.name = "depth_to_space depth first",
       .attributes = ops::DepthToSpace{2, ops::DepthOrder::depth_first},
       .inputs = {{.shape = {2, 12, 3, 5}}}},
      {.name = "depth_to_space channels first",
       .attributes = ops::DepthToSpace{3, ops::DepthOrder::channels_first},
       .inputs = {{.shape = {1, 18, 4, 3}}}},
      {.name = "space_to_depth", .attributes = ops::SpaceToDepth{2}, .inputs = {{.shape = {2, 3, 4, 6}}}},
      {.name = "fill_shape", .attributes = ops::FillShape{DType::f32, 0.5}, .inputs = {integers({3, 7})}},
      {.name = "range",
       .attributes = ops::Range{},
       .inputs = {{.shape = {}, .differentiate = false, .values = {1}},
                  {.shape = {}, .differentiate = false, .values = {4.1}},
                  {.shape = {}, .differentiate = false, .values = {0.25}}}},
      {.name = "unsqueeze", .attributes = ops::Unsqueeze{}, .inputs = {{.shape = {3, 4}}, integers({-1, 0})}},
      {.name = "gather_channels interleaved",
       .attributes = ops::GatherChannels{6, {{0, 1, 0, 3, 2}, {1, 0, 1, 3, 2}}},
       .inputs = {{.shape = {2, 3, 5, 4}}, {.shape = {2, 3, 5, 3}}}},
      {.name = "gather_channels out of order, one input twice",
       .attributes = ops::GatherChannels{40, {{1, 0, 21, 19, 1}, {0, 2, 0, 20, 1}, {0, 0, 20, 1, 1}}},
       .inputs = {{.shape = {1, 17, 9, 22}}, {.shape = {1, 17, 9, 19}}}},
  };
}

}  // namespace pleat::test
