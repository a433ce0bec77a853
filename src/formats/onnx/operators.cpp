#include "formats/onnx/operators.hpp"

#include "base/format.hpp"

namespace pleat::formats {

const Operator& find_operator(std::string_view domain, std::string_view name, int opset) {
  if (!domain.empty() && domain != "ai.onnx")
    fail("operators of the domain '", domain, "' are not supported");
  for (const auto& family :
       {activation_operators(), control_operators(), conv_operators(), elementwise_operators(),
        matrix_operators(), normalization_operators(), pool_operators(), reduce_operators(),
        resize_operators(), shape_operators(), slice_operators()}) {
    for (const Operator& op : family) {
      if (op.name != name) continue;
      if (opset < op.first || opset > op.last) {
        fail("the operator belongs to the operator sets ", op.first, " to ", op.last);
      }
      return op;
    }
  }
  fail("the operator is not supported");
}

}  // namespace pleat::formats
