#pragma once

#include "kernels/gemm/contract.hpp"
#include "kernels/simd.hpp"

namespace pleat::kernels {
namespace {

inline constexpr GemmKernels<float> kGemm = {};

}  // namespace
}  // namespace pleat::kernels
