#include "base/format.hpp"
#include "support/op_case.hpp"

namespace pleat::test {
namespace {

struct Options {
  bool scale = true, shift = true, running = true;
  bool batch_statistics = true;
  bool residual = false, channels_last = false;
  Activation activation = Activation::none;
  int64_t virtual_batch_size = 0;
  bool renorm = false;
};

OpCase batch_norm_case(const Shape& x, const Options& o) {
  static constexpr const char* kActivations[] = {"", ", relu", ", relu6"};
  ops::BatchNorm attributes;
  attributes.spatial_dims = x.rank() == 2 ? 1 : x.rank() - 2;
  attributes.batch_statistics = o.batch_statistics;
  attributes.frozen = !o.batch_statistics;
  attributes.channels_last = o.channels_last;
  attributes.activation = o.activation;
  attributes.virtual_batch_size = o.virtual_batch_size;
  attributes.single_value = o.running ? SingleValue::running : SingleValue::error;
  // x's mean and deviation are near 1 and 2.3, the running ones far from them: r and d stand at their limits,
  // and the numeric gradient sees the constants that they are.
  if (o.renorm)
    attributes.renorm = {.r_max = 1.3, .d_max = 0.4, .ramp_begin = -1, .r_ramp_end = 0, .d_ramp_end = 0};
  const double mean = o.renorm ? -9 : -1;
  const auto optional = [](bool there, CaseInput input) {
    input.absent = !there;
    return input;
  };
  const Shape c = {x[o.channels_last ? x.rank() - 1 : 1]};
  const double spread = o.activation == Activation::relu6 ? 8 : 2;  // so that both bounds of relu6 are met
  return {concat("batch norm ", x.str(), o.scale ? "" : ", no scale", o.shift ? "" : ", no shift",
                 o.running ? "" : ", no running statistics", o.batch_statistics ? "" : ", frozen",
                 kActivations[static_cast<int>(o.activation)], o.residual ? ", residual" : "",
                 o.channels_last ? ", channels last" : "",
                 o.virtual_batch_size > 0 ? concat(", virtual batch size ", o.virtual_batch_size) : "",
                 o.renorm ? ", renorm" : ""),
          attributes,
          {{x, -3, 5},
           optional(o.scale, {c, -spread, spread}),
           optional(o.shift, {c}),
           optional(o.running, {c, mean, mean + 2, DType::f32, false, false}),
           optional(o.running, {c, 0.5, o.renorm ? 1.0 : 4.0, DType::f32, false, false}),
           optional(o.running, {{}, 0, 9, DType::i64, false, false}),
           optional(o.residual, {x, -2, 2})}};
}

}  // namespace

std::vector<OpCase> batch_norm_cases() {
  std::vector<OpCase> cases;
  // Rank, planes shorter and longer than vectors, rows of several tiles of columns, several chunks.
  for (const Shape& x :
       {Shape{2, 1}, Shape{2, 20}, Shape{5, 3}, Shape{131, 2}, Shape{3, 4, 1}, Shape{3, 4, 2},
        Shape{2, 3, 15}, Shape{2, 3, 16}, Shape{1, 2, 37}, Shape{3, 2, 2, 2}, Shape{2, 3, 5, 7},
        Shape{4, 2, 1, 1}, Shape{33, 2, 4, 5}, Shape{2, 2, 2, 3, 4}, Shape{1, 3, 3, 3, 3}}) {
    cases.push_back(batch_norm_case(x, {}));
    // Of two values a channel the gradient nearly vanishes: it is what remains of terms a thousand times
    // larger.
    if (x[0] == 2 && x.rank() == 2) cases.back().tolerance = 5e-3;
    cases.push_back(batch_norm_case(x, {.batch_statistics = false, .activation = Activation::relu}));
  }
  for (const Shape& x : {Shape{7, 9}, Shape{2, 3, 3, 7}}) {
    for (const Activation activation : {Activation::none, Activation::relu, Activation::relu6}) {
      for (const bool residual : {false, true}) {
        for (const bool batch_statistics : {true, false}) {
          cases.push_back(batch_norm_case(
              x, {.batch_statistics = batch_statistics, .residual = residual, .activation = activation}));
        }
      }
    }
    for (const bool batch_statistics : {true, false}) {
      cases.push_back(batch_norm_case(x, {.shift = false, .batch_statistics = batch_statistics}));
      cases.push_back(batch_norm_case(x, {.scale = false, .batch_statistics = batch_statistics}));
      cases.push_back(
          batch_norm_case(x, {.scale = false, .shift = false, .batch_statistics = batch_statistics}));
    }
    cases.push_back(batch_norm_case(x, {.running = false}));
    cases.push_back(batch_norm_case(
        x, {.scale = false, .shift = false, .running = false, .activation = Activation::relu}));
  }

  // Channels last: rows of one tile of columns and of several, chunks of rows.
  for (const Shape& x : {Shape{2, 5, 7, 3}, Shape{1, 3, 1, 20}, Shape{3, 10, 9, 16}, Shape{1, 4, 3, 700}}) {
    for (const bool residual : {false, true}) {
      const Activation activation = residual ? Activation::relu6 : Activation::relu;
      cases.push_back(batch_norm_case(x, {.residual = residual, .channels_last = true}));
      cases.push_back(
          batch_norm_case(x, {.residual = residual, .channels_last = true, .activation = activation}));
      cases.push_back(batch_norm_case(x, {.batch_statistics = false,
                                          .residual = residual,
                                          .channels_last = true,
                                          .activation = activation}));
    }
  }
  // Parts of one layout and of two (rows, planes), a ragged last part, one that joins, one larger than all.
  for (const Shape& x : {Shape{9, 3}, Shape{70, 2, 4, 5}, Shape{6, 2, 5, 7}, Shape{7, 3, 2}}) {
    for (const int64_t size : {2, 4, 33}) {
      if (x[0] != 70 || size == 33) cases.push_back(batch_norm_case(x, {.virtual_batch_size = size}));
      // Of two values a channel: as above.
      if (x.rank() == 2) cases.back().tolerance = 5e-3;
    }
  }
  for (const Activation activation : {Activation::none, Activation::relu, Activation::relu6}) {
    for (const bool residual : {false, true}) {
      for (const bool renorm : {false, true}) {
        cases.push_back(batch_norm_case(
            Shape{5, 3, 3, 7},
            {.residual = residual, .activation = activation, .virtual_batch_size = 2, .renorm = renorm}));
      }
    }
  }
  cases.push_back(batch_norm_case(Shape{40, 9}, {.renorm = true}));
  cases.push_back(batch_norm_case(Shape{40, 9}, {.scale = false, .shift = false, .renorm = true}));
  cases.push_back(batch_norm_case(Shape{3, 2, 5, 7}, {.renorm = true}));
  cases.push_back(batch_norm_case(Shape{1, 9}, {}));  // one value a channel
  cases.push_back(batch_norm_case(Shape{1, 9, 1, 1}, {.residual = true, .activation = Activation::relu}));

  // Once more from what was saved, for each part of the batch: (x - row 0) * row 3 + row 4.
  for (const bool channels_last : {false, true}) {
    for (const bool renorm : {false, true}) {
      const Shape x = channels_last ? Shape{5, 3, 7, 4} : Shape{5, 4, 3, 7};
      OpCase one{
          concat("batch norm recompute", channels_last ? ", channels last" : "", renorm ? ", renorm" : ""),
          ops::BatchNormRecompute{.channels_last = channels_last,
                                  .virtual_batch_size = 2,
                                  .renorm = renorm,
                                  .activation = Activation::relu},
          {{x, -3, 5}, {{3 * (renorm ? 7 : 5), 4}, -2, 2}, {x}, {{3}}}};
      for (CaseInput& input : one.inputs) input.differentiate = false;
      cases.push_back(std::move(one));
    }
  }

  for (const Activation activation :
       {Activation::none, Activation::relu, Activation::relu6, Activation::leaky_relu, Activation::sigmoid,
        Activation::silu, Activation::hardswish, Activation::tanh}) {
    for (const Shape& x : {Shape{3, 19}, Shape{2, 3, 2, 2}, Shape{1, 2, 5, 7}}) {
      for (const bool residual : {false, true}) {
        const Shape c = {x[1]};
        OpCase one{concat("scale_shift ", x.str(), " activation ", static_cast<int>(activation),
                          residual ? ", residual" : ", no center"),
                   ops::ScaleShift{.activation = activation, .alpha = 0.2},
                   {{x, -4, 4}, {c}, {c, -3, 3}, {c}, {x}}};
        one.inputs[1].absent = !residual;
        one.inputs[4].absent = !residual;
        cases.push_back(std::move(one));
      }
    }
  }
  for (const int64_t dim : {0, 2, 3}) {
    const Shape x = {3, 4, 5, 2}, c = {x[static_cast<int>(dim)]};
    cases.push_back({concat("scale_shift along dim ", dim),
                     ops::ScaleShift{.dim = dim, .activation = Activation::relu},
                     {{x, -4, 4}, {c}, {c, -3, 3}, {c}, {x}}});
  }
  return cases;
}

}  // namespace pleat::test
