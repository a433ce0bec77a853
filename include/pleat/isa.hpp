#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace pleat {

/// Instruction sets that this build has kernels for and this CPU can run, slowest first ("reference" is plain
/// C++).
std::vector<std::string> available_isas();

/// The instruction set whose kernels are used: the fastest available, or what PLEAT_ISA names.
/// Throws Error where PLEAT_ISA names one that is not available; the message lists those that are.
std::string active_isa();

/// Switches kernels for plans made from now on. Throws Error, as above, for a name that is not available.
void set_isa(std::string_view name);

}  // namespace pleat
