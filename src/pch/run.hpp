// Precompiled for everything that runs, to build sooner; each file still includes what it uses.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/format.hpp"
#include "base/parallel.hpp"
#include "graph/edit.hpp"
#include "ops/context.hpp"
