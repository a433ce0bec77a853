#include "api/batch_norm_json.hpp"

namespace pleat {

using Json = nlohmann::ordered_json;

Json batch_norm_options_json(const GraphData& graph) {
  Json layers = Json::object();
  for (const Node& node : graph.nodes) {
    const auto* from = std::get_if<ops::BatchNorm>(&node.attributes);
    if (from == nullptr) continue;
    Json options = Json::object();
    if (from->momentum != ops::BatchNorm{}.momentum) {
      options["momentum"] = from->momentum ? Json(*from->momentum) : Json();
    }
    if (from->virtual_batch_size > 0) options["virtual_batch_size"] = from->virtual_batch_size;
    if (from->single_value == SingleValue::running) options["single_value"] = "running";
    if (from->renorm) {
      const BatchRenorm& renorm = *from->renorm;
      options["renorm"] = {renorm.r_max, renorm.d_max, renorm.ramp_begin, renorm.r_ramp_end,
                           renorm.d_ramp_end};
    }
    if (!options.empty()) layers[node.name] = options;
  }
  return layers;
}

}  // namespace pleat
