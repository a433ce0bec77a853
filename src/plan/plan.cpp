#include "plan/plan.hpp"

#include <algorithm>

#include "base/format.hpp"
#include "graph/edit.hpp"
#include "ops/known.hpp"
#include "plan/batch.hpp"
#include "plan/memory.hpp"

namespace pleat {
size_t bytes_of(const ValueType& type) {
  return static_cast<size_t>(type.shape.numel()) * size_of(type.dtype);
}

namespace {

class Planner {
 public:
  Planner(const GraphData& graph, std::span<const Shape> input_shapes, std::span<const Tensor> input_values)
      : graph_(graph) {
    fix_shapes(input_shapes, input_values);
  }

  Plan run() {
    make_buffers();
    make_steps();
    bind_outputs();
    drop_unused();
    sort_into_stages();
    find_lifetimes();
    share_in_place();
    place();
    for (const int output : plan_.outputs) plan_.output_types.push_back(buffer(output).type);
    return std::move(plan_);
  }

 private:
  Buffer& buffer(int id) { return plan_.buffers[static_cast<size_t>(id)]; }

  // The buffer at the end of a chain of aliases: the one that has memory of its own.
  int root(int id) {
    while (buffer(id).alias_of >= 0) id = buffer(id).alias_of;
    return id;
  }

  void fix_shapes(std::span<const Shape> shapes, std::span<const Tensor> values) {
    if (shapes.size() != graph_.inputs.size()) {
      fail("the network has ", graph_.inputs.size(), " input(s), got ", shapes.size());
    }
    for (size_t i = 0; i < shapes.size(); ++i) {
      ValueInfo& input = graph_.value(graph_.inputs[i]);
      const Shape &given = shapes[i], &wanted = input.type.shape;
      bool fits = given.rank() == wanted.rank() && given.is_static();
      for (int d = 0; fits && d < wanted.rank(); ++d) fits = wanted[d] == kDynamic || wanted[d] == given[d];
      if (!fits) fail("input ", input.name, " must be ", wanted.str(), ", got ", given.str());
      input.type.shape = given;
      if (i < values.size() && values[i].defined()) input.type.known = known_value(values[i]);
    }
    infer_all(graph_);
    for (const Node& node : graph_.nodes) {
      for (ValueId output : node.outputs) {
        const ValueInfo& value = graph_.value(output);
        if (value.type.shape.is_static()) continue;
        fail(node.name, ": its result is ", value.type.shape.str(),
             ": a size depends on what is computed while the network runs, which cannot be planned");
      }
    }
  }

  // A computed value whose elements follow from shapes and constants needs no step.
  static bool is_computed_now(const ValueInfo& value) {
    return value.kind == ValueKind::computed && value.type.known != nullptr && is_known(&value.type);
  }

  // One buffer a value, with the value's number.
  void make_buffers() {
    for (const ValueInfo& value : graph_.values) {
      Buffer made{.name = value.name, .type = value.type};
      if (value.kind == ValueKind::parameter || value.kind == ValueKind::state ||
          value.kind == ValueKind::constant) {
        made.place = Place::persistent;
        made.tensor = value.data;
      } else if (is_computed_now(value)) {
        made.place = Place::persistent;
        made.tensor = value.type.known->values;
      }
      plan_.buffers.push_back(std::move(made));
    }
    for (size_t i = 0; i < graph_.inputs.size(); ++i) {
      Buffer& input = buffer(graph_.inputs[i]);
      input.place = Place::input;
      input.index = static_cast<int>(i);
      plan_.inputs.push_back(graph_.inputs[i]);
    }
  }

  // Floats are of one type throughout.
  void choose_compute() {
    const Node* of_f32 = nullptr;
    const Node* of_f64 = nullptr;
    for (const Node& node : graph_.nodes) {
      for (ValueId output : node.outputs) {
        if (graph_.value(output).type.dtype == DType::f32) of_f32 = &node;
        if (graph_.value(output).type.dtype == DType::f64) of_f64 = &node;
      }
    }
    if (of_f32 != nullptr && of_f64 != nullptr) {
      fail("a network computes in f32 or in f64: ", of_f32->name, " gives f32 and ", of_f64->name, " f64");
    }
    if (of_f64 != nullptr) plan_.compute = DType::f64;
  }

  void make_steps() {
    choose_compute();
    for (const Node& node : graph_.nodes) {
      const OpDef& op = definition(node.attributes);
      if (std::all_of(node.outputs.begin(), node.outputs.end(),
                      [&](ValueId output) { return is_computed_now(graph_.value(output)); }) &&
          !node.outputs.empty()) {
        continue;
      }
      if (op.is_view) {
        buffer(node.outputs[0]).alias_of = node.inputs[0];
        continue;
      }
      Step step{.name = node.name, .op = &op, .attributes = node.attributes};
      step.inputs.assign(node.inputs.begin(), node.inputs.end());
      step.outputs.assign(node.outputs.begin(), node.outputs.end());
      measure(step);
      plan_.steps.push_back(std::move(step));
    }
  }

  void measure(Step& step) {
    InputTypes types;
    for (int input : step.inputs) types.push_back(input < 0 ? nullptr : &buffer(input).type);
    const OpDef& op = *step.op;
    if (op.work != nullptr) {
      step.work = op.work(step.attributes, types);
    } else {
      for (int input : step.inputs)
        step.work += input < 0 ? 0 : static_cast<double>(buffer(input).type.shape.numel());
      for (int output : step.outputs) step.work += static_cast<double>(buffer(output).type.shape.numel());
    }
    step.bytes = bytes_moved(step);
    if (op.multiply_adds != nullptr) step.multiply_adds = op.multiply_adds(step.attributes, types);
    if (op.packed_bytes != nullptr && (packs_constants(step) || op.packed_only)) {
      step.packed_bytes = op.packed_bytes(step.attributes, types, plan_.compute);
      if (step.packed_bytes > 0 && !packs_constants(step)) fail(step.name, ": needs a constant weight");
    }
    if (op.workspace != nullptr) {
      const Workspace workspace = op.workspace(step.attributes, types, plan_.compute);
      step.workspace_bytes = workspace.shared;
      step.worker_bytes = workspace.per_worker;
    }
    plan_.packed_bytes += step.packed_bytes;
    plan_.worker_bytes = std::max(plan_.worker_bytes, step.worker_bytes);
  }

  int64_t bytes_moved(const Step& step) {
    size_t bytes = 0;
    for (int input : step.inputs) bytes += input < 0 ? 0 : bytes_of(buffer(input).type);
    for (int output : step.outputs) bytes += bytes_of(buffer(output).type);
    for (int changed : mutated_buffers(step)) bytes += bytes_of(buffer(changed).type);
    return static_cast<int64_t>(bytes);
  }

  bool packs_constants(const Step& step) {
    return graph_.value(step.inputs[kPackedInput]).kind == ValueKind::constant;
  }

  // An output that is a step's own result is written where the caller wants it; any other is copied there at
  // the end.
  void bind_outputs() {
    for (size_t i = 0; i < graph_.outputs.size(); ++i) {
      const int value = graph_.outputs[i], source = root(value);
      Buffer& made = buffer(source);
      if (made.place == Place::arena) {
        made.place = Place::output;
        made.index = static_cast<int>(i);
        plan_.outputs.push_back(value);
      } else {
        plan_.buffers.push_back({.name = buffer(value).name + ".copy",
                                 .type = buffer(value).type,
                                 .place = Place::output,
                                 .index = static_cast<int>(i)});
        const int copy = static_cast<int>(plan_.buffers.size()) - 1;
        plan_.outputs.push_back(copy);
        plan_.copies.emplace_back(source, copy);
      }
    }
  }

  // Values that no step touches any more, such as weights before folding, take no memory.
  void drop_unused() {
    std::vector<bool> used(plan_.buffers.size(), false);
    const auto use = [&](int id) {
      if (id >= 0) used[static_cast<size_t>(root(id))] = used[static_cast<size_t>(id)] = true;
    };
    for (const Step& step : plan_.steps) {
      for (int input : step.inputs) use(input);
      for (int output : step.outputs) use(output);
    }
    for (const auto& [from, to] : plan_.copies) {
      use(from);
      use(to);
    }
    for (size_t i = 0; i < used.size(); ++i) {
      Buffer& made = plan_.buffers[i];
      if (used[i] || made.place == Place::input || made.place == Place::output) continue;
      made.place = Place::unused;
      made.tensor = {};
    }
  }

  // A step's stage is the first after everything it waits for: who makes what it reads; and for memory that a
  // step changes, all earlier readers, while later readers wait for the change.
  void sort_into_stages() {
    const size_t n = plan_.buffers.size();
    std::vector<int> written(n, -1), read(n, -1);
    for (Step& step : plan_.steps) {
      for (int input : step.inputs) {
        if (input >= 0) step.stage = std::max(step.stage, written[static_cast<size_t>(root(input))] + 1);
      }
      const std::vector<int> mutated = mutated_buffers(step);
      for (int changed : mutated) step.stage = std::max(step.stage, read[static_cast<size_t>(changed)] + 1);
      for (int input : step.inputs) {
        if (input < 0) continue;
        int& last = read[static_cast<size_t>(root(input))];
        last = std::max(last, step.stage);
      }
      for (int changed : mutated) written[static_cast<size_t>(changed)] = step.stage;
      for (int output : step.outputs) written[static_cast<size_t>(root(output))] = step.stage;
    }
    std::stable_sort(plan_.steps.begin(), plan_.steps.end(),
                     [](const Step& a, const Step& b) { return a.stage < b.stage; });
    for (size_t i = 0; i < plan_.steps.size(); ++i) {
      if (i == 0 || plan_.steps[i].stage != plan_.steps[i - 1].stage) {
        plan_.stages.push_back({.first = static_cast<int>(i)});
      }
      plan_.steps[i].stage = static_cast<int>(plan_.stages.size()) - 1;
      plan_.stages.back().last = static_cast<int>(i) + 1;
      plan_.stages.back().work += plan_.steps[i].work;
    }
  }

  std::vector<int> mutated_buffers(const Step& step) {
    std::vector<int> buffers;
    if (step.op->mutated == nullptr) return buffers;
    for (int i : step.op->mutated(step.attributes)) {
      if (i < static_cast<int>(step.inputs.size()) && step.inputs[static_cast<size_t>(i)] >= 0) {
        buffers.push_back(root(step.inputs[static_cast<size_t>(i)]));
      }
    }
    return buffers;
  }

  void find_lifetimes() {
    for (Step& step : plan_.steps) {
      for (int output : step.outputs) {
        Buffer& made = buffer(root(output));
        made.first_stage = made.last_stage = step.stage;
      }
      for (int input : step.inputs) {
        if (input < 0) continue;
        Buffer& read = buffer(root(input));
        read.last_stage = std::max(read.last_stage, step.stage);
      }
    }
  }

  // Whether another step of the same stage, or the same step twice, reads the buffer.
  bool read_once_in_stage(int target, const Step& step) {
    int readers = 0;
    const Stage& stage = plan_.stages[static_cast<size_t>(step.stage)];
    for (int i = stage.first; i < stage.last; ++i) {
      for (int input : plan_.steps[static_cast<size_t>(i)].inputs)
        readers += input >= 0 && root(input) == target;
    }
    return readers == 1;
  }

  void share_in_place() {
    for (Step& step : plan_.steps) {
      if (!step.op->may_be_inplace) continue;
      const int output = step.outputs[0];
      if (buffer(output).place != Place::arena) continue;
      for (int input : step.inputs) {
        if (input < 0) continue;
        const int source = root(input);
        const Buffer& from = buffer(source);
        if (from.place != Place::arena || from.last_stage != step.stage ||
            from.type.dtype != buffer(output).type.dtype ||
            bytes_of(from.type) != bytes_of(buffer(output).type) || !read_once_in_stage(source, step)) {
          continue;
        }
        buffer(source).last_stage = buffer(output).last_stage;
        buffer(output).alias_of = source;
        break;
      }
    }
  }

  void place() {
    std::vector<Lifetime> lifetimes;
    std::vector<size_t*> offsets;
    for (Buffer& made : plan_.buffers) {
      if (made.place == Place::persistent) plan_.persistent_bytes += bytes_of(made.type);
      if (made.place != Place::arena || made.alias_of >= 0) continue;
      lifetimes.push_back({bytes_of(made.type), made.first_stage, made.last_stage});
      offsets.push_back(&made.offset);
    }
    for (Step& step : plan_.steps) {
      lifetimes.push_back({step.workspace_bytes, step.stage, step.stage});
      offsets.push_back(&step.workspace_offset);
    }
    for (const Lifetime& lifetime : lifetimes) plan_.unshared_bytes += lifetime.bytes;
    plan_.arena_bytes = assign_offsets(lifetimes);
    for (size_t i = 0; i < lifetimes.size(); ++i) *offsets[i] = lifetimes[i].offset;
    for (size_t i = 0; i < plan_.buffers.size(); ++i) {
      Buffer& made = plan_.buffers[i];
      if (made.alias_of < 0) continue;
      const Buffer& owner = buffer(root(static_cast<int>(i)));
      made.place = owner.place;
      made.offset = owner.offset;
      made.index = owner.index;
      made.tensor = owner.tensor;
    }
  }

  GraphData graph_;
  Plan plan_;
};

}  // namespace

Plan make_plan(const GraphData& graph, std::span<const Shape> input_shapes,
               std::span<const Tensor> input_values) {
  return Planner(graph, input_shapes, input_values).run();
}

Plan make_batch_plan(const GraphData& graph, std::span<const Shape> input_shapes,
                     std::span<const Tensor> input_values) {
  constexpr size_t kCached = 16 << 20;  // bytes of a last cache that others use too
  Plan whole = make_plan(graph, input_shapes, input_values);
  if (whole.arena_bytes <= kCached || !is_independent_in_batch(graph)) return whole;
  const int64_t batch = input_shapes[0][0];
  for (const Shape& shape : input_shapes) {
    if (shape[0] != batch) return whole;
  }
  auto pieces = static_cast<int64_t>((whole.arena_bytes + kCached - 1) / kCached);
  while (pieces < batch && batch % pieces != 0) ++pieces;
  if (pieces > batch) pieces = batch;
  std::vector<Shape> shapes(input_shapes.begin(), input_shapes.end());
  for (Shape& shape : shapes) shape[0] = batch / pieces;
  Plan plan = make_plan(graph, shapes, input_values);
  plan.pieces = pieces;
  plan.output_types = std::move(whole.output_types);
  return plan;
}

std::string Plan::str() const {
  std::ostringstream out;
  for (const Step& step : steps) {
    out << step.stage << " " << step.name << " = " << step.op->name << "(";
    for (size_t i = 0; i < step.inputs.size(); ++i) {
      out << (i > 0 ? ", " : "");
      if (step.inputs[i] < 0) {
        out << "-";
      } else {
        out << buffers[static_cast<size_t>(step.inputs[i])].name;
      }
    }
    out << ")";
    for (int output : step.outputs) {
      const Buffer& made = buffers[static_cast<size_t>(output)];
      out << " " << made.type.shape.str();
      if (made.place == Place::arena) out << "@" << made.offset;
    }
    out << "\n";
  }
  out << "arena " << arena_bytes << " bytes (" << unshared_bytes << " without reuse), persistent "
      << persistent_bytes << ", packed " << packed_bytes << ", each worker " << worker_bytes << "\n";
  return out.str();
}

}  // namespace pleat
