#pragma once

#include "kernels/pool/contract.hpp"

namespace pleat::kernels::reference {

template <class T>
inline constexpr PoolKernels<T> kPool = {};

}  // namespace pleat::kernels::reference
