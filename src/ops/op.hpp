#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>
#include <variant>
#include <vector>

#include "ops/attributes.hpp"
#include "pleat/shape.hpp"
#include "pleat/tensor.hpp"

namespace pleat {

/// A value's place in its graph; kAbsent for an optional input that is not there.
using ValueId = int32_t;
inline constexpr ValueId kAbsent = -1;

/// A small value's elements, as far as they are known before a network runs: constants, and what is computed
/// from shapes.
struct KnownValue {
  Tensor values;
  Tensor unknown = {};  ///< boolean, of the same shape: elements that are not known; undefined: all are
};

struct ValueType {
  DType dtype = DType::f32;
  Shape shape = {};
  std::shared_ptr<const KnownValue> known = {};  ///< null: nothing is
  bool operator==(const ValueType& other) const { return dtype == other.dtype && shape == other.shape; }
};

/// The types of a node's inputs; a null pointer for an absent one.
using InputTypes = std::vector<const ValueType*>;

template <class T>
class Context;
class GradientScope;
struct RunArguments;

/// Memory that a step needs while it runs, in bytes.
struct Workspace {
  size_t shared = 0;      ///< one piece for the whole step
  size_t per_worker = 0;  ///< one piece for each thread
};
/// Bytes of the cache lines that so many take; pieces of memory begin at one.
constexpr size_t whole_lines(size_t bytes) {
  constexpr size_t line = 64;
  return (bytes + line - 1) / line * line;
}

/// How known elements go through an op (see KnownValue): not at all unless every input is known; an element
/// of an output is one of a data input's (the first; for concat all); or it comes from the elements at its
/// place.
enum class KnownRule : uint8_t { all_or_nothing, moves, elementwise };

/// The input that is packed by every op that packs: its weight. Runs do not read it then.
inline constexpr size_t kPackedInput = 1;

/// What a kind of node means. Every op's .cpp defines one, through define_op. A null function is a default.
struct OpDef {
  std::string_view name;

  /// Checks the inputs and gives the outputs' types. Dimensions may be kDynamic while a graph is built, never
  /// when it is planned. Throws Error with what was given and needed; the caller puts the node's name before
  /// it.
  std::vector<ValueType> (*infer)(const ops::Attributes&, const InputTypes&);
  void (*run_f32)(const ops::Attributes&, const RunArguments&);
  void (*run_f64)(const ops::Attributes&, const RunArguments&);
  /// Adds nodes that compute the inputs' gradients. Null: none flows.
  void (*gradient)(const ops::Attributes&, GradientScope&);
  Workspace (*workspace)(const ops::Attributes&, const InputTypes& in, DType compute);
  /// Elementary operations of one run, to judge what is worth a task. Null: elements of the first input and
  /// outputs.
  double (*work)(const ops::Attributes&, const InputTypes& in);
  /// Multiply-adds of one run, for people. Null: 0.
  int64_t (*multiply_adds)(const ops::Attributes&, const InputTypes& in);
  /// Bytes of input kPackedInput, a constant, in the op's own layout, made once by `pack`; 0: nothing to
  /// pack.
  size_t (*packed_bytes)(const ops::Attributes&, const InputTypes& in, DType compute);
  void (*pack_f32)(const ops::Attributes&, const RunArguments&, void* packed);
  void (*pack_f64)(const ops::Attributes&, const RunArguments&, void* packed);
  bool packed_only = false;  ///< the op runs on packed weights alone: they must be constant
  /// Inputs that a run changes in place (running statistics, updated parameters).
  std::vector<int> (*mutated)(const ops::Attributes&);
  /// Inputs whose elements the outputs' shapes depend on (the shape of reshape). `infer` reads them from
  /// ValueType::known; where they are not known dimensions stay kDynamic.
  std::vector<int> (*shape_inputs)(const ops::Attributes&);
  /// The only output's elements as far as the inputs' types alone give them (a shape's). Null: not from
  /// types.
  KnownValue (*known)(const ops::Attributes&, const InputTypes& in);
  KnownRule known_rule;
  bool is_view;         ///< the only output is the first input under another shape; never runs
  bool may_be_inplace;  ///< the first output may stand where an input of its size stood that is read no more
};

const OpDef& definition(const ops::Attributes& attributes);

/// Specialized by each op's .cpp, by PLEAT_OP at its end.
template <class Attributes>
const OpDef& op_definition();

/// How a gradient rule sees its node, and writes gradient nodes.
class GradientScope {
 public:
  virtual ~GradientScope() = default;
  virtual ValueId input(int i) const = 0;  ///< kAbsent where it is, and behind the last
  virtual ValueId output(int i) const = 0;
  virtual int input_count() const = 0;
  virtual const ValueType& type(ValueId value) const = 0;
  /// The gradient of the loss by output i; kAbsent where none flows.
  virtual ValueId output_gradient(int i) const = 0;
  /// Whether anything needs the gradient by input i; not by an absent one.
  virtual bool wants(int i) const = 0;
  /// Adds a node; the values that it makes.
  virtual std::vector<ValueId> emit(const ops::Attributes& attributes,
                                    const std::vector<ValueId>& inputs) = 0;
  /// Says what the gradient by input i is. Contributions of several nodes are summed.
  virtual void set_input_gradient(int i, ValueId gradient) = 0;
};

}  // namespace pleat
