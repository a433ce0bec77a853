#include "passes/channel_runs.hpp"

#include <algorithm>

namespace pleat {

std::vector<Channel> channels_of(const ops::GatherChannels& gather, const std::vector<ValueId>& inputs) {
  std::vector<Channel> channels(static_cast<size_t>(gather.channels));
  for (const ops::ChannelRun& run : gather.runs) {
    for (int64_t c = 0; c < run.count; ++c) {
      channels[static_cast<size_t>(run.to + c * run.step)] = {inputs[static_cast<size_t>(run.input)],
                                                              run.from + c};
    }
  }
  return channels;
}

ops::GatherChannels runs_of(const std::vector<Channel>& channels, std::vector<ValueId>& inputs) {
  ops::GatherChannels gather{static_cast<int64_t>(channels.size()), {}};
  std::vector<bool> taken(channels.size(), false);
  const auto is = [&](size_t place, Channel wanted) {
    return place < channels.size() && !taken[place] && channels[place] == wanted;
  };
  for (size_t first = 0; first < channels.size(); ++first) {
    if (taken[first]) continue;
    const auto [value, index] = channels[first];
    size_t step = 1;
    while (first + step < channels.size() && !is(first + step, {value, index + 1})) ++step;
    if (first + step >= channels.size()) step = 1;  // alone
    int64_t count = 0;
    for (size_t place = first; is(place, {value, index + count}); place += step, ++count) taken[place] = true;
    auto input = std::find(inputs.begin(), inputs.end(), value);
    if (input == inputs.end()) input = inputs.insert(inputs.end(), value);
    gather.runs.push_back(
        {input - inputs.begin(), index, static_cast<int64_t>(first), count, static_cast<int64_t>(step)});
  }
  return gather;
}

}  // namespace pleat
