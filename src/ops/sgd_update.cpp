// Stochastic gradient descent as torch.optim.SGD with dampening 0: g = clip * gradient + weight_decay *
// parameter; buffer = momentum * buffer + g; parameter -= rate * (nesterov ? g + momentum * buffer : buffer).
// Nothing changes where the loss is not finite.

#include "ops/update.hpp"

namespace pleat {
namespace {

struct SgdUpdateOp {
  using Attributes = ops::SgdUpdate;
  static constexpr std::string_view name = "sgd_update";
  enum Input { kParameter, kGradient, kBuffer, kRate, kLoss, kClip };

  static std::vector<ValueType> infer(const Attributes& attributes, const InputTypes& in) {
    Update::check_like_parameter(name, in, kRate);
    if (attributes.momentum != 0 && in[kBuffer] == nullptr) fail("sgd_update: momentum needs its buffer");
    if (attributes.nesterov && attributes.momentum == 0) fail("sgd_update: Nesterov needs a momentum");
    return {};
  }

  static std::vector<int> mutated(const Attributes& attributes) {
    return attributes.momentum != 0 ? std::vector<int>{kParameter, kBuffer} : std::vector<int>{kParameter};
  }

  template <class T>
  static void run(const Attributes& attributes, const Context<T>& context) {
    if (!Update::sound(context, kLoss, kClip)) return;
    const kernels::SgdStep<T> step = {
        .rate = *context.in(kRate),
        .scale = Update::clip_factor(context, kClip),
        .weight_decay = static_cast<T>(attributes.weight_decay),
        .momentum = static_cast<T>(attributes.momentum),
        .nesterov = attributes.nesterov,
    };
    T *parameter = context.mutated(kParameter), *buffer = context.mutated(kBuffer);
    const T* gradient = context.in(kGradient);
    Update::over_blocks(context.in_shape(kParameter).numel(), [&](int64_t begin, int64_t size) {
      context.kernels.update.sgd(size, step, gradient + begin, parameter + begin,
                                 buffer == nullptr ? nullptr : buffer + begin);
    });
  }
};

}  // namespace

PLEAT_OP(SgdUpdateOp)

}  // namespace pleat
