#pragma once

#include <vector>

#include "graph/graph_data.hpp"

namespace pleat {

/// One channel of a value.
struct Channel {
  ValueId value;
  int64_t index;
  bool operator==(const Channel&) const = default;
};

/// What a node that gathers channels gives, in order.
std::vector<Channel> channels_of(const ops::GatherChannels& gather, const std::vector<ValueId>& inputs);
/// The fewest runs of these channels that a walk from one to the next finds; `inputs` gets those of their
/// values that it lacks.
ops::GatherChannels runs_of(const std::vector<Channel>& channels, std::vector<ValueId>& inputs);

}  // namespace pleat
