// Ops that are not there yet: delete a line when its op's .cpp lands.

#include "base/format.hpp"
#include "ops/context.hpp"

namespace pleat {

#define PLEAT_NOT_YET(A)                                                                  \
  template <>                                                                             \
  const OpDef& op_definition<ops::A>() {                                                  \
    static const OpDef def = [] {                                                         \
      OpDef d{};                                                                          \
      d.name = #A;                                                                        \
      d.infer = [](const ops::Attributes&, const InputTypes&) -> std::vector<ValueType> { \
        fail(#A, ": not yet");                                                            \
      };                                                                                  \
      return d;                                                                           \
    }();                                                                                  \
    return def;                                                                           \
  }

PLEAT_NOT_YET(Linear)
PLEAT_NOT_YET(LinearInputGradient)
PLEAT_NOT_YET(LinearWeightGradient)
PLEAT_NOT_YET(BiasGradient)

}  // namespace pleat
