#pragma once

#include "kernels/softmax/contract.hpp"

namespace pleat::kernels::reference {

template <class T>
inline constexpr SoftmaxKernels<T> kSoftmax = {};

}  // namespace pleat::kernels::reference
