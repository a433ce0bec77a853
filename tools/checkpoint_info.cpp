#include "checkpoint_info.hpp"

#include <nlohmann/json.hpp>

#include "pleat/error.hpp"

namespace pleat::tools {

namespace {

using nlohmann::json;

constexpr const char* kModelKey = "model";
constexpr const char* kSizesKey = "sizes";
constexpr const char* kNormalizationKey = "normalization";

models::Sizes parse_sizes(const json& text) {
  models::Sizes sizes;
  text.at("features").get_to(sizes.features);
  text.at("hidden").get_to(sizes.hidden);
  text.at("channels").get_to(sizes.channels);
  text.at("height").get_to(sizes.height);
  text.at("width").get_to(sizes.width);
  text.at("classes").get_to(sizes.classes);
  return sizes;
}

}  // namespace

std::map<std::string, std::string> CheckpointInfo::to_metadata() const {
  std::map<std::string, std::string> metadata = {{kModelKey, model}};
  if (sizes) {
    metadata[kSizesKey] =
        json{{"features", sizes->features}, {"hidden", sizes->hidden}, {"channels", sizes->channels},
             {"height", sizes->height},     {"width", sizes->width},   {"classes", sizes->classes}}
            .dump();
  }
  if (normalization) {
    metadata[kNormalizationKey] = json{{"mean", normalization->mean}, {"std", normalization->std}}.dump();
  }
  return metadata;
}

CheckpointInfo CheckpointInfo::from_metadata(const std::map<std::string, std::string>& metadata,
                                             const std::string& file) {
  CheckpointInfo info;
  const auto text = [&](const char* key) {
    const auto entry = metadata.find(key);
    return entry == metadata.end() ? std::string() : entry->second;
  };
  info.model = text(kModelKey);
  try {
    if (const std::string sizes = text(kSizesKey); !sizes.empty())
      info.sizes = parse_sizes(json::parse(sizes));
    if (const std::string both = text(kNormalizationKey); !both.empty()) {
      const json values = json::parse(both);
      info.normalization = {values.at("mean").get<std::vector<float>>(),
                            values.at("std").get<std::vector<float>>()};
      if (info.normalization->mean.size() != info.normalization->std.size()) {
        throw Error(file + ": its normalization has " + std::to_string(info.normalization->mean.size()) +
                    " means and " + std::to_string(info.normalization->std.size()) + " deviations");
      }
    }
  } catch (const json::exception& error) {
    throw Error(file + ": damaged metadata: " + error.what());
  }
  return info;
}

}  // namespace pleat::tools
