#pragma once

#include "kernels/elementwise/contract.hpp"

namespace pleat::kernels::reference {

template <class T>
inline constexpr ElementwiseKernels<T> kElementwise = {};

}  // namespace pleat::kernels::reference
