#pragma once

#include "kernels/elementwise/contract.hpp"
#include "kernels/simd.hpp"

namespace pleat::kernels {
namespace {

inline constexpr ElementwiseKernels<float> kElementwise = {};

}  // namespace
}  // namespace pleat::kernels
