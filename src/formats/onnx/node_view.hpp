#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/format.hpp"
#include "onnx.pb.h"

namespace pleat::formats {

/// An ONNX node's attributes, their types checked. What is asked for counts as known: see check_attributes.
class NodeView {
 public:
  NodeView(const onnx::NodeProto& node, int opset);

  const std::string& op() const { return node_.op_type(); }
  /// The version of the operator set that the model was written for.
  int opset() const { return opset_; }

  bool has_attribute(std::string_view name) { return find(name) != nullptr; }
  /// An attribute's value where it is there, else `otherwise`; the forms without it need the attribute.
  int64_t integer(std::string_view name, int64_t otherwise);
  int64_t integer(std::string_view name);
  bool flag(std::string_view name, bool otherwise);
  double number(std::string_view name, double otherwise);
  std::string text(std::string_view name, std::string otherwise);
  std::vector<int64_t> integers(std::string_view name);
  std::optional<std::vector<int64_t>> optional_integers(std::string_view name);
  std::vector<float> numbers(std::string_view name);
  const onnx::TensorProto* tensor(std::string_view name);
  const onnx::GraphProto& graph(std::string_view name);

  /// What a text attribute's value stands for, among those that are known.
  template <class T, size_t N>
  T choice(std::string_view name, const std::string& otherwise,
           const std::pair<std::string_view, T> (&known)[N]) {
    const std::string given = text(name, otherwise);
    for (const auto& [word, value] : known) {
      if (given == word) return value;
    }
    fail("attribute ", name, " '", given, "' is not known");
  }

  /// For attributes that say nothing (any more).
  void ignore(std::string_view name) { find(name); }
  /// Error where the node has an attribute that nobody asked for.
  void check_attributes() const;

  template <class... Args>
  [[noreturn]] void fail(const Args&... args) const {
    pleat::fail(args...);
  }

 private:
  const onnx::AttributeProto* find(std::string_view name);
  const onnx::AttributeProto* find(std::string_view name, onnx::AttributeProto::AttributeType type);
  const onnx::AttributeProto& need(std::string_view name, onnx::AttributeProto::AttributeType type);

  const onnx::NodeProto& node_;
  int opset_;
  std::vector<bool> known_;
};

}  // namespace pleat::formats
