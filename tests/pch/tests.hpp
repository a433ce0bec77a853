// Precompiled for every test, to build sooner; each file still includes what it uses.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "graph/edit.hpp"
#include "support/op_case.hpp"
#include "support/run_op.hpp"
