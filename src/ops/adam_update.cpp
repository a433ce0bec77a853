// Adam (Kingma and Ba 2015) as torch.optim.Adam, and with `decoupled` AdamW (Loshchilov and Hutter 2019), at
// step t = 1, 2, ...: m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g^2; parameter -= rate / (1 -
// beta1^t) * m / (sqrt(v / (1 - beta2^t)) + eps). Adam: g = clip * gradient + weight_decay * parameter.
// AdamW: g = clip * gradient, and the parameter is first multiplied by 1 - rate * weight_decay. Nothing
// changes where the loss is not finite.

#include "ops/update.hpp"

namespace pleat {
namespace {

struct AdamUpdateOp {
  using Attributes = ops::AdamUpdate;
  static constexpr std::string_view name = "adam_update";
  enum Input { kParameter, kGradient, kMean, kSquare, kStep, kRate, kLoss, kClip };

  static std::vector<ValueType> infer(const Attributes&, const InputTypes& in) {
    Update::check_like_parameter(name, in, kStep);
    if (in[kStep]->dtype != DType::i64) {
      fail("adam_update: needs a step of type i64, got ", name_of(in[kStep]->dtype));
    }
    return {};
  }

  static std::vector<int> mutated(const Attributes&) { return {kParameter, kMean, kSquare}; }

  template <class T>
  static void run(const Attributes& attributes, const Context<T>& context) {
    if (!Update::sound(context, kLoss, kClip)) return;
    const double t = static_cast<double>(*context.template in<int64_t>(kStep));
    const double rate = static_cast<double>(*context.in(kRate));
    const double beta1 = attributes.beta1, beta2 = attributes.beta2, decay = attributes.weight_decay;
    const kernels::AdamStep<T> step = {
        .step_size = static_cast<T>(rate / (1 - std::pow(beta1, t))),
        .scale = Update::clip_factor(context, kClip),
        .weight_decay = static_cast<T>(attributes.decoupled ? 0 : decay),
        .keep = static_cast<T>(attributes.decoupled ? 1 - rate * decay : 1),
        .beta1 = static_cast<T>(beta1),
        .one_minus_beta1 = static_cast<T>(1 - beta1),
        .beta2 = static_cast<T>(beta2),
        .one_minus_beta2 = static_cast<T>(1 - beta2),
        .root_correction = static_cast<T>(std::sqrt(1 - std::pow(beta2, t))),
        .eps = static_cast<T>(attributes.eps),
    };
    T *parameter = context.mutated(kParameter), *mean = context.mutated(kMean);
    T* square = context.mutated(kSquare);
    const T* gradient = context.in(kGradient);
    Update::over_blocks(context.in_shape(kParameter).numel(), [&](int64_t begin, int64_t size) {
      context.kernels.update.adam(size, step, gradient + begin, parameter + begin, mean + begin,
                                  square + begin);
    });
  }
};

}  // namespace

PLEAT_OP(AdamUpdateOp)

}  // namespace pleat
