#include "api/model_impl.hpp"
#include "base/format.hpp"
#include "graph/edit.hpp"
#include "pleat/batch_norm.hpp"

namespace pleat {
namespace {

Node& batch_norm_of(Model& model, std::string_view layer) {
  for (Node& node : model.impl().graph.ir().nodes) {
    if (node.name == layer && std::holds_alternative<ops::BatchNorm>(node.attributes)) return node;
  }
  fail("the model has no BatchNorm '", layer, "'");
}

}  // namespace

std::vector<std::string> batch_norm_layers(Model& model) {
  std::vector<std::string> names;
  for (const Node& node : model.impl().graph.ir().nodes) {
    if (std::holds_alternative<ops::BatchNorm>(node.attributes)) names.push_back(node.name);
  }
  return names;
}

BatchNormOptions batch_norm_options(Model& model, std::string_view layer) {
  const auto& from = std::get<ops::BatchNorm>(batch_norm_of(model, layer).attributes);
  return {.momentum = from.momentum,
          .virtual_batch_size = from.virtual_batch_size,
          .single_value = from.single_value,
          .renorm = from.renorm};
}

void set_batch_norm_options(Model& model, std::string_view layer, const BatchNormOptions& options) {
  Node& node = batch_norm_of(model, layer);
  if (options.momentum && !(*options.momentum >= 0 && *options.momentum <= 1)) {
    fail(layer, ": momentum must be in [0, 1], got ", *options.momentum);
  }
  Node changed = node;
  auto& to = std::get<ops::BatchNorm>(changed.attributes);
  to.momentum = options.momentum;
  to.virtual_batch_size = options.virtual_batch_size;
  to.single_value = options.single_value;
  to.renorm = options.renorm;
  infer_types(model.impl().graph.ir(), changed);
  node = std::move(changed);
  infer_all(model.impl().graph.ir());
  model.impl().changed();
}

}  // namespace pleat
