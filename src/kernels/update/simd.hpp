#pragma once

#include "kernels/simd.hpp"
#include "kernels/update/contract.hpp"

namespace pleat::kernels {
namespace {

inline constexpr UpdateKernels<float> kUpdate = {};

}  // namespace
}  // namespace pleat::kernels
