#include "pleat/isa.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>

#include "kernels/kernel_table.hpp"
#include "pleat/error.hpp"

namespace pleat {
namespace kernels {

#define PLEAT_ISA(name) extern const KernelTable<float> table_##name;
PLEAT_ISA_LIST
#undef PLEAT_ISA

namespace {

bool runs_here([[maybe_unused]] std::string_view isa) {
#if defined(__x86_64__)
  if (isa == "sse4") return __builtin_cpu_supports("sse4.2");
  if (isa == "avx2") return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (isa == "avx512") return __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512f");
  return isa == "reference";
#else
  return true;  // the baseline of the architecture it was compiled for
#endif
}

// Slowest first.
std::vector<const KernelTable<float>*> available_tables() {
  std::vector<const KernelTable<float>*> tables = {&reference_table<float>()};
#define PLEAT_ISA(name) tables.push_back(&table_##name);
  PLEAT_ISA_LIST
#undef PLEAT_ISA
  std::erase_if(tables, [](const KernelTable<float>* table) { return !runs_here(table->isa); });
  return tables;
}

const KernelTable<float>& table_named(std::string_view name, std::string_view who_asked) {
  std::string names;
  for (const KernelTable<float>* table : available_tables()) {
    if (table->isa == name) return *table;
    names += names.empty() ? table->isa : std::string(", ") + table->isa;
  }
  throw Error(std::string(who_asked) + ": no instruction set '" + std::string(name) +
              "' here; there are: " + names);
}

const KernelTable<float>& initial_table() {
  const char* forced = std::getenv("PLEAT_ISA");
  return forced != nullptr && *forced != '\0' ? table_named(forced, "PLEAT_ISA") : *available_tables().back();
}

std::atomic<const KernelTable<float>*> active{nullptr};

}  // namespace

const KernelTable<float>& table_for(const char* isa) {
  return table_named(isa, "table_for");
}

template <>
const KernelTable<float>& active_table<float>() {
  const KernelTable<float>* table = active.load(std::memory_order_acquire);
  if (table == nullptr) {
    table = &initial_table();
    active.store(table, std::memory_order_release);
  }
  return *table;
}

template <>
const KernelTable<double>& active_table<double>() {
  return reference_table<double>();
}

}  // namespace kernels

std::vector<std::string> available_isas() {
  std::vector<std::string> names;
  for (const auto* table : kernels::available_tables()) names.emplace_back(table->isa);
  return names;
}

std::string active_isa() {
  return kernels::active_table<float>().isa;
}

void set_isa(std::string_view name) {
  kernels::active.store(&kernels::table_named(name, "set_isa"), std::memory_order_release);
}

}  // namespace pleat
