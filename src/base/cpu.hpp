#pragma once

namespace pleat {

/// CPUs that this process may use: the smaller of its affinity mask and its cgroup quota, rounded up.
int available_cpus();

}  // namespace pleat
