#pragma once

#include "kernels/batch_norm/contract.hpp"

namespace pleat::kernels::reference {

template <class T>
inline constexpr BatchNormKernels<T> kBatchNorm = {};

}  // namespace pleat::kernels::reference
