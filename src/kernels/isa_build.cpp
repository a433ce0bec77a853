// Compiled once per instruction set: PLEAT_ISA names it, PLEAT_ARCH_* picks its xsimd architecture. The
// object exports one symbol, kernels::table_ISA; everything else has internal linkage, so no other object can
// end up with this one's code.

#include "kernels/batch_norm/simd.hpp"
#include "kernels/channels_last/simd.hpp"
#include "kernels/conv/simd.hpp"
#include "kernels/elementwise/simd.hpp"
#include "kernels/gemm/simd.hpp"
#include "kernels/kernel_table.hpp"
#include "kernels/pool/simd.hpp"
#include "kernels/softmax/simd.hpp"
#include "kernels/update/simd.hpp"

#define PLEAT_JOIN2(a, b) a##b
#define PLEAT_JOIN(a, b) PLEAT_JOIN2(a, b)
#define PLEAT_STRING2(a) #a
#define PLEAT_STRING(a) PLEAT_STRING2(a)

namespace pleat::kernels {

extern const KernelTable<float> PLEAT_JOIN(table_, PLEAT_ISA);
const KernelTable<float> PLEAT_JOIN(table_, PLEAT_ISA) = {
    PLEAT_STRING(PLEAT_ISA), kGemm, kConv, kChannelsLast, kBatchNorm, kElementwise, kPool, kSoftmax, kUpdate,
};

}  // namespace pleat::kernels
