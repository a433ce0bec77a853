#pragma once

#include "kernels/conv/contract.hpp"

namespace pleat::kernels::reference {

template <class T>
inline constexpr ConvKernels<T> kConv = {};

}  // namespace pleat::kernels::reference
