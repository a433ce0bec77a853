#pragma once

#include "kernels/update/contract.hpp"

namespace pleat::kernels::reference {

template <class T>
inline constexpr UpdateKernels<T> kUpdate = {};

}  // namespace pleat::kernels::reference
