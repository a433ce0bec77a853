#pragma once

#include <map>
#include <optional>
#include <string>

#include "pleat/data.hpp"
#include "pleat/models.hpp"

namespace pleat::tools {

/// What `pleat train` keeps in a checkpoint beside the weights, so that the other commands build the same
/// network and feed it the same way. Files from elsewhere have none of it.
struct CheckpointInfo {
  std::string model;
  std::optional<models::Sizes> sizes;
  std::optional<Normalization> normalization;

  std::map<std::string, std::string> to_metadata() const;
  /// Error names `file` where the metadata is damaged.
  static CheckpointInfo from_metadata(const std::map<std::string, std::string>& metadata,
                                      const std::string& file);
};

}  // namespace pleat::tools
