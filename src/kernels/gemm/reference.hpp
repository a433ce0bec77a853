#pragma once

#include "kernels/gemm/contract.hpp"

namespace pleat::kernels::reference {

template <class T>
inline constexpr GemmKernels<T> kGemm = {};

}  // namespace pleat::kernels::reference
