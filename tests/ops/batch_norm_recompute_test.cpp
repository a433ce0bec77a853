// batch_norm_recompute gives batch_norm's y once more, on every case of batch_norm.

#include <doctest/doctest.h>

#include <cstring>

#include "support/op_case.hpp"
#include "support/run_op.hpp"

namespace pleat::test {
namespace {

ops::BatchNormRecompute again(const ops::BatchNorm& forward) {
  return {forward.batch_statistics, forward.channels_last, forward.virtual_batch_size,
          forward.renorm.has_value(), forward.activation};
}

TEST_CASE("batch_norm_recompute: the bits of batch_norm, which alone moves the running statistics") {
  int cases = 0;
  for (const OpCase& op_case : op_cases()) {
    const auto* forward = std::get_if<ops::BatchNorm>(&op_case.attributes);
    if (forward == nullptr) continue;
    ++cases;
    CAPTURE(op_case.name);
    std::vector<Tensor> inputs = draw_inputs(op_case, 5);
    std::vector<Tensor*> given;
    for (Tensor& input : inputs) given.push_back(input.defined() ? &input : nullptr);
    std::vector<Tensor> made = run_op<float>(*forward, given);
    const auto statistics = [&] {
      std::string bytes;
      for (size_t i = 3; i < 6; ++i) {
        if (given[i] != nullptr) bytes.append(static_cast<const char*>(given[i]->raw()), given[i]->bytes());
      }
      return bytes;
    };
    const std::string before = statistics();
    Tensor after(Shape{});
    const Tensor y = run_op<float>(again(*forward), {given[0], &made[1], given[6], &after})[0];
    REQUIRE(y.bytes() == made[0].bytes());
    CHECK(std::memcmp(y.raw(), std::as_const(made[0]).raw(), y.bytes()) == 0);
    CHECK(statistics() == before);
  }
  CHECK(cases > 100);
}

}  // namespace
}  // namespace pleat::test
