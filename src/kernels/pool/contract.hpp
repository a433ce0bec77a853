#pragma once

#include <cstdint>

#include "kernels/activation.hpp"

namespace pleat::kernels {

template <class T>
struct PoolKernels {};

}  // namespace pleat::kernels
