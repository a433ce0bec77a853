// Ops that are declared and not written yet: each line goes when its op comes.

#include "base/format.hpp"
#include "ops/context.hpp"

namespace pleat {

#define PENDING(Op)                                                             \
  namespace {                                                                   \
  struct Pending##Op {                                                          \
    using Attributes = ops::Op;                                                 \
    static constexpr std::string_view name = #Op;                               \
    static std::vector<ValueType> infer(const Attributes&, const InputTypes&) { \
      fail(#Op, " is not written yet");                                         \
    }                                                                           \
  };                                                                            \
  }                                                                             \
  PLEAT_OP(Pending##Op)


}  // namespace pleat
