#include "ops/attributes.hpp"

namespace pleat::ops {

template <AnOp Op>
Attributes::Attributes(Op op) : AnyOp(std::in_place_type<Op>, std::move(op)) {}

// Calls, and so makes, the constructor from each op.
template <class... Ops>
void make_constructors(const std::variant<Ops...>&) {
  (Attributes(Ops()), ...);
}
template void make_constructors(const AnyOp&);

Attributes::Attributes(const Attributes&) = default;
Attributes::Attributes(Attributes&&) noexcept = default;
Attributes& Attributes::operator=(const Attributes&) = default;
Attributes& Attributes::operator=(Attributes&&) noexcept = default;
Attributes::~Attributes() = default;

}  // namespace pleat::ops
