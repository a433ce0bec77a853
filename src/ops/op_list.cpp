#include "ops/op.hpp"

namespace pleat {

const OpDef& definition(const ops::Attributes& attributes) {
  return std::visit([]<class A>(const A&) -> const OpDef& { return op_definition<A>(); }, attributes);
}

}  // namespace pleat
