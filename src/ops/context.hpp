#pragma once

#include <type_traits>

#include "base/parallel.hpp"
#include "kernels/kernel_table.hpp"
#include "ops/op.hpp"
#include "tensor/element_type.hpp"

namespace pleat {

/// One tensor as a step sees it.
struct TensorRef {
  void* data = nullptr;  ///< null: absent, or packed
  const ValueType* type = nullptr;
};

/// What the executor hands to a step.
struct RunArguments {
  const TensorRef* inputs;
  int input_count;
  const TensorRef* outputs;
  void* workspace;              ///< Workspace::shared bytes, 64-byte aligned
  std::byte* worker_workspace;  ///< Workspace::per_worker bytes for each worker, 64-byte aligned
  size_t worker_stride;
  const void* packed;   ///< what pack made; null where an input to pack is not constant
  const void* kernels;  ///< KernelTable<T>
};

/// A step's arguments in its compute type T: float, or double in reference runs. Labels, counters stay i64 in
/// both.
template <class T>
class Context {
 public:
  explicit Context(const RunArguments& arguments)
      : kernels(*static_cast<const kernels::KernelTable<T>*>(arguments.kernels)), arguments_(arguments) {}

  const kernels::KernelTable<T>& kernels;

  int input_count() const { return arguments_.input_count; }
  bool has(int i) const { return in<void>(i) != nullptr; }
  /// Null for an absent input, and behind the last.
  const ValueType* in_type(int i) const {
    return i < arguments_.input_count ? arguments_.inputs[i].type : nullptr;
  }
  const Shape& in_shape(int i) const { return arguments_.inputs[i].type->shape; }
  DType in_dtype(int i) const { return arguments_.inputs[i].type->dtype; }
  DType out_dtype(int i) const { return arguments_.outputs[i].type->dtype; }
  const Shape& out_shape(int i) const { return arguments_.outputs[i].type->shape; }

  /// Null for an absent input, behind the last, and for one that was packed. U is the element's type: T for
  /// floats, else int64_t, int32_t or bool.
  template <class U = T>
  const U* in(int i) const {
    return i < arguments_.input_count ? static_cast<const U*>(arguments_.inputs[i].data) : nullptr;
  }
  /// An input that OpDef::mutated lists.
  template <class U = T>
  U* mutated(int i) const {
    return static_cast<U*>(arguments_.inputs[i].data);
  }
  template <class U = T>
  U* out(int i) const {
    return static_cast<U*>(arguments_.outputs[i].data);
  }

  template <class U = T>
  U* workspace() const {
    return static_cast<U*>(arguments_.workspace);
  }
  /// The calling thread's own piece; ask inside parallel_for's body.
  template <class U = T>
  U* worker_workspace() const {
    return reinterpret_cast<U*>(arguments_.worker_workspace +
                                arguments_.worker_stride * static_cast<size_t>(worker_index()));
  }
  template <class U = T>
  const U* packed() const {
    return static_cast<const U*>(arguments_.packed);
  }

 private:
  const RunArguments& arguments_;
};

/// body(the active kernels) of the type that a step computes in.
template <class Body>
auto with_kernels(DType compute, const Body& body) {
  return compute == DType::f64 ? body(kernels::active_table<double>()) : body(kernels::active_table<float>());
}

/// An output of so many elements has left the caches when it is read: kernels stream it past them.
inline constexpr int64_t kStreamedElements = 4 << 20;

/// Whether rows of `columns` elements that begin at `data` all begin at cache lines.
template <class T>
bool begins_lines(const T* data, int64_t columns) {
  constexpr size_t line = 64;
  return reinterpret_cast<uintptr_t>(data) % line == 0 &&
         static_cast<size_t>(columns) * sizeof(T) % line == 0;
}

/// with_type for the elements that a step sees: floats are T.
template <class T, class Body>
void with_element_type(DType dtype, const Body& body) {
  with_type(dtype, [&]<class U>(U*) {
    body(static_cast<std::conditional_t<std::is_floating_point_v<U>, T, U>*>(nullptr));
  });
}

// clang-format off
/// Makes an OpDef out of a struct with static members named as OpDef's, on the op's own attributes type:
///
///     struct AddOp {
///       using Attributes = ops::Add;
///       static constexpr std::string_view name = "add";
///       static std::vector<ValueType> infer(const Attributes&, const InputTypes& in);
///       template <class T> static void run(const Attributes&, const Context<T>& context);
///       // this and what follows is optional
///       static void gradient(const Attributes&, GradientScope& scope);
///       static Workspace workspace(const Attributes&, const InputTypes& in, DType compute);
///       static double work(const Attributes&, const InputTypes& in);
///       static int64_t multiply_adds(const Attributes&, const InputTypes& in);
///       static size_t packed_bytes(const Attributes&, const InputTypes& in, DType compute);
///       template <class T> static void pack(const Attributes&, const Context<T>& context, T* packed);
///       static std::vector<int> mutated(const Attributes&);
///       static std::vector<int> shape_inputs(const Attributes&);
///       static KnownValue known(const Attributes&, const InputTypes& in);
///       static constexpr KnownRule known_rule = KnownRule::moves;
///       static constexpr bool is_view = true, may_be_inplace = true, packed_only = true;
///     };
///     PLEAT_OP(AddOp)
// clang-format on
template <class Op>
constexpr OpDef define_op() {
  using A = typename Op::Attributes;
  OpDef def{};
  def.name = Op::name;
  def.infer = [](const ops::Attributes& a, const InputTypes& in) { return Op::infer(std::get<A>(a), in); };
  if constexpr (requires { Op::is_view; }) def.is_view = Op::is_view;
  if constexpr (requires { Op::packed_only; }) def.packed_only = Op::packed_only;
  if constexpr (requires { Op::may_be_inplace; }) def.may_be_inplace = Op::may_be_inplace;
  if constexpr (requires { Op::known_rule; }) def.known_rule = Op::known_rule;
  if constexpr (requires(const A& a, const Context<float>& c) { Op::template run<float>(a, c); }) {
    def.run_f32 = [](const ops::Attributes& a, const RunArguments& r) {
      Op::template run<float>(std::get<A>(a), Context<float>(r));
    };
    def.run_f64 = [](const ops::Attributes& a, const RunArguments& r) {
      Op::template run<double>(std::get<A>(a), Context<double>(r));
    };
  }
  if constexpr (requires(const A& a, GradientScope& s) { Op::gradient(a, s); }) {
    def.gradient = [](const ops::Attributes& a, GradientScope& s) { Op::gradient(std::get<A>(a), s); };
  }
  if constexpr (requires(const A& a, const InputTypes& in) { Op::workspace(a, in, DType::f32); }) {
    def.workspace = [](const ops::Attributes& a, const InputTypes& in, DType compute) {
      return Op::workspace(std::get<A>(a), in, compute);
    };
  }
  if constexpr (requires(const A& a, const InputTypes& in) { Op::work(a, in); }) {
    def.work = [](const ops::Attributes& a, const InputTypes& in) -> double {
      return Op::work(std::get<A>(a), in);
    };
  }
  if constexpr (requires(const A& a, const InputTypes& in) { Op::multiply_adds(a, in); }) {
    def.multiply_adds = [](const ops::Attributes& a, const InputTypes& in) -> int64_t {
      return Op::multiply_adds(std::get<A>(a), in);
    };
  }
  if constexpr (requires(const A& a, const InputTypes& in) { Op::packed_bytes(a, in, DType::f32); }) {
    def.packed_bytes = [](const ops::Attributes& a, const InputTypes& in, DType compute) {
      return Op::packed_bytes(std::get<A>(a), in, compute);
    };
    def.pack_f32 = [](const ops::Attributes& a, const RunArguments& r, void* packed) {
      Op::template pack<float>(std::get<A>(a), Context<float>(r), static_cast<float*>(packed));
    };
    def.pack_f64 = [](const ops::Attributes& a, const RunArguments& r, void* packed) {
      Op::template pack<double>(std::get<A>(a), Context<double>(r), static_cast<double*>(packed));
    };
  }
  if constexpr (requires(const A& a) { Op::mutated(a); }) {
    def.mutated = [](const ops::Attributes& a) { return Op::mutated(std::get<A>(a)); };
  }
  if constexpr (requires(const A& a) { Op::shape_inputs(a); }) {
    def.shape_inputs = [](const ops::Attributes& a) { return Op::shape_inputs(std::get<A>(a)); };
  }
  if constexpr (requires(const A& a, const InputTypes& in) { Op::known(a, in); }) {
    def.known = [](const ops::Attributes& a, const InputTypes& in) { return Op::known(std::get<A>(a), in); };
  }
  return def;
}

#define PLEAT_OP(Op)                              \
  template <>                                     \
  const OpDef& op_definition<Op::Attributes>() {  \
    static constexpr OpDef def = define_op<Op>(); \
    return def;                                   \
  }

}  // namespace pleat
