#pragma once

#include <cstdint>

#include "kernels/activation.hpp"

namespace pleat::kernels {

template <class T>
struct ElementwiseKernels {};

}  // namespace pleat::kernels
