// What every op must do, on every case of its family: see support/op_case.hpp.

#include <doctest/doctest.h>

#include <cstring>

#include "base/format.hpp"
#include "base/parallel.hpp"
#include "base/random.hpp"
#include "executor/executor.hpp"
#include "graph/edit.hpp"
#include "passes/differentiate.hpp"
#include "pleat/isa.hpp"
#include "support/every_isa.hpp"
#include "support/op_case.hpp"

namespace pleat::test {
namespace {

struct Results {
  std::vector<Tensor> outputs;  // those that the case checks
  std::vector<Tensor>
      gradients;  // of sum(outputs * seeds), one for each input; undefined where none is asked for
};

// The gradient that stands for the loss by checked output i.
Tensor seed_of(int i, const Shape& shape) {
  Tensor seed(shape);
  Random random(static_cast<uint64_t>(i) + 77);
  for (float& x : seed.span<float>()) x = static_cast<float>(random.uniform(-1, 1));
  return seed;
}

enum class Weight { given, constant };

// The op as a graph of its own, with the gradient of a weighted sum of its outputs.
class CaseGraph {
 public:
  CaseGraph(const OpCase& op_case, DType compute, bool with_gradients, Weight weight = Weight::given)
      : case_(op_case), compute_(compute), weight_(weight), with_gradients_(with_gradients) {}

  Results run(const std::vector<Tensor>& inputs) const {
    GraphData graph;
    std::vector<Tensor> fed;
    const std::vector<ValueId> ids = add_inputs(graph, inputs, fed);
    const std::vector<ValueId> made = add_node(graph, "op", case_.attributes, ids);
    std::vector<GradientSeed> seeds;
    for (int i = 0; i < case_.outputs_checked; ++i) {
      const ValueId output = made[static_cast<size_t>(i)];
      graph.outputs.push_back(output);
      if (!with_gradients_) continue;
      fed.push_back(seed_of(i, graph.value(output).type.shape).to(compute_));
      seeds.push_back({output, add_input(graph, concat("seed", i), graph.value(output).type)});
    }
    std::vector<size_t> asked;
    if (with_gradients_) {
      std::vector<ValueId> wanted;
      for (size_t i = 0; i < ids.size(); ++i) {
        if (differentiated(i)) {
          asked.push_back(i);
          wanted.push_back(ids[i]);
        }
      }
      for (ValueId gradient : differentiate(graph, seeds, wanted)) {
        REQUIRE(gradient != kAbsent);
        graph.outputs.push_back(gradient);
      }
    }
    graph.output_names.resize(graph.outputs.size());
    tidy(graph);
    std::vector<Tensor> results = execute(graph, fed);
    Results sorted;
    const auto checked = static_cast<size_t>(case_.outputs_checked);
    sorted.outputs.assign(results.begin(), results.begin() + static_cast<std::ptrdiff_t>(checked));
    sorted.gradients.resize(inputs.size());
    for (size_t i = 0; i < asked.size(); ++i) sorted.gradients[asked[i]] = results[checked + i];
    return sorted;
  }

  bool differentiated(size_t i) const {
    const CaseInput& input = case_.inputs[i];
    return definition(case_.attributes).gradient != nullptr && !input.absent && input.dtype == DType::f32 &&
           input.differentiate;
  }

 private:
  // What the op changes is a state of the graph, a copy for this run; the rest is fed.
  std::vector<ValueId> add_inputs(GraphData& graph, const std::vector<Tensor>& inputs,
                                  std::vector<Tensor>& fed) const {
    const OpDef& op = definition(case_.attributes);
    std::vector<int> mutated;
    if (op.mutated != nullptr) mutated = op.mutated(case_.attributes);
    std::vector<ValueId> ids;
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (!inputs[i].defined()) {
        ids.push_back(kAbsent);
        continue;
      }
      const Tensor data = inputs[i].dtype() == DType::f32 ? inputs[i].to(compute_) : inputs[i];
      const std::string name = concat("input", i);
      if (std::ranges::count(mutated, static_cast<int>(i)) > 0) {
        ids.push_back(add_state(graph, name, {data.dtype(), data.shape()}, {}));
        graph.value(ids.back()).data = data.clone();
      } else if ((weight_ == Weight::constant && i == 1) || !case_.inputs[i].values.empty()) {
        ids.push_back(add_constant(graph, name, data));
      } else {
        ids.push_back(add_input(graph, name, {data.dtype(), data.shape()}));
        fed.push_back(data);
      }
    }
    return ids;
  }

  static std::vector<Tensor> execute(const GraphData& graph, const std::vector<Tensor>& fed) {
    std::vector<Shape> shapes;
    std::vector<const void*> in;
    for (const Tensor& tensor : fed) {
      shapes.push_back(tensor.shape());
      in.push_back(tensor.raw());
    }
    Executor executor(make_plan(graph, shapes));
    std::vector<Tensor> results;
    std::vector<void*> out;
    for (int id : executor.plan().outputs) {
      const ValueType& type = executor.plan().buffers[static_cast<size_t>(id)].type;
      out.push_back(results.emplace_back(type.shape, type.dtype).raw());
    }
    executor.run(in, out);
    return results;
  }

  const OpCase& case_;
  DType compute_;
  Weight weight_;
  bool with_gradients_;
};

// sum(outputs * seeds)
double weighted_sum(const std::vector<Tensor>& outputs) {
  double sum = 0;
  for (size_t i = 0; i < outputs.size(); ++i) {
    const Tensor seed = seed_of(static_cast<int>(i), outputs[i].shape());
    for (int64_t j = 0; j < seed.numel(); ++j) sum += outputs[i].data<double>()[j] * seed.data<float>()[j];
  }
  return sum;
}

void check_close(const Tensor& got, const Tensor& expected, double tolerance) {
  const Tensor wide = got.to(DType::f64), reference = expected.to(DType::f64);
  CHECK(max_error(wide.span<double>(), reference.span<double>()) <= tolerance);
}

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.defined() == b.defined() && (!a.defined() || std::memcmp(a.raw(), b.raw(), a.bytes()) == 0);
}

// About how many places of an input have their gradient compared; ASan, which is slow, sees at few what it
// sees at all.
#if defined(__SANITIZE_ADDRESS__)
constexpr int64_t kPlaces = 2;
#else
constexpr int64_t kPlaces = 16;
#endif

// Central differences at some places of input i, in double.
void check_numeric_gradient(const OpCase& op_case, const std::vector<Tensor>& inputs, size_t i,
                            const Tensor& gradient) {
  constexpr double h = 1e-6;
  const CaseGraph graph(op_case, DType::f64, /*with_gradients=*/false);
  std::vector<Tensor> moved = inputs;
  moved[i] = inputs[i].to(DType::f64);
  double scale = 1e-3;
  for (double g : gradient.span<double>()) scale = std::max(scale, std::abs(g));
  const int64_t n = gradient.numel(), step = std::max<int64_t>(1, n / kPlaces);
  for (int64_t place = 0; place < n; place += step) {
    double& x = moved[i].data<double>()[place];
    const double at = x;
    x = at + h;
    const double above = weighted_sum(graph.run(moved).outputs);
    x = at - h;
    const double below = weighted_sum(graph.run(moved).outputs);
    x = at;
    INFO("input ", i, ", place ", place);
    CHECK(std::as_const(gradient).data<double>()[place] ==
          doctest::Approx((above - below) / (2 * h)).epsilon(1e-5).scale(scale));
  }
}

void check_close(const Results& got, const Results& expected, double tolerance) {
  for (size_t i = 0; i < expected.outputs.size(); ++i) {
    INFO("output ", i);
    check_close(got.outputs[i], expected.outputs[i], tolerance);
  }
  for (size_t i = 0; i < got.gradients.size(); ++i) {
    if (!got.gradients[i].defined()) continue;
    INFO("gradient by input ", i);
    check_close(got.gradients[i], expected.gradients[i], tolerance);
  }
}

bool same_bits(const Results& a, const Results& b) {
  const auto same = [](const Tensor& x, const Tensor& y) { return same_bits(x, y); };
  return std::ranges::equal(a.outputs, b.outputs, same) && std::ranges::equal(a.gradients, b.gradients, same);
}

}  // namespace

TEST_CASE("every op: gradients in double are the central differences") {
  for (const OpCase& op_case : op_cases()) {
    INFO(op_case.name, ", PLEAT_TEST_SEED=", seed());
    const std::vector<Tensor> inputs = draw_inputs(op_case, seed());
    const CaseGraph graph(op_case, DType::f64, /*with_gradients=*/true);
    const Results results = graph.run(inputs);
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (graph.differentiated(i)) check_numeric_gradient(op_case, inputs, i, results.gradients[i]);
    }
  }
}

TEST_CASE("every op: values and gradients on every instruction set are those of the double reference") {
  const std::string before = active_isa();
  for (const OpCase& op_case : op_cases()) {
    const std::vector<Tensor> inputs = draw_inputs(op_case, seed());
    const Results expected = CaseGraph(op_case, DType::f64, /*with_gradients=*/true).run(inputs);
    for (const std::string& isa : available_isas()) {
      INFO(op_case.name, ", ", isa, ", PLEAT_TEST_SEED=", seed());
      set_isa(isa);
      check_close(CaseGraph(op_case, DType::f32, /*with_gradients=*/true).run(inputs), expected,
                  op_case.tolerance);
      if (definition(op_case.attributes).packed_bytes != nullptr) {
        const CaseGraph constant(op_case, DType::f32, /*with_gradients=*/false, Weight::constant);
        check_close(constant.run(inputs), expected, op_case.tolerance);
      }
    }
  }
  set_isa(before);
}

TEST_CASE("every op: the same bits on 1, 2, 3 and 8 threads") {
  for (const OpCase& op_case : op_cases()) {
    INFO(op_case.name, ", PLEAT_TEST_SEED=", seed());
    const std::vector<Tensor> inputs = draw_inputs(op_case, seed());
    const CaseGraph graph(op_case, DType::f32, /*with_gradients=*/true);
    Results one;
    Arena(1).execute([&] { one = graph.run(inputs); });
    for (const int threads : {2, 3, 8}) {
      Results several;
      Arena(threads).execute([&] { several = graph.run(inputs); });
      CHECK(same_bits(one, several));
    }
  }
}

}  // namespace pleat::test
