#include "profile_report.hpp"

#include <algorithm>
#include <map>

#include "machine_peak.hpp"
#include "pleat/isa.hpp"
#include "table.hpp"

namespace pleat::tools {

namespace {

/// What some steps took and did together.
struct Sum {
  int64_t steps = 0;
  double us = 0, operations = 0, bytes = 0;  ///< a multiply-add is two operations

  void add(const StepProfile& step) {
    ++steps;
    us += step.median_us();
    operations += 2.0 * static_cast<double>(step.multiply_adds);
    bytes += static_cast<double>(step.bytes);
  }
  bool computes() const { return operations > 0; }
  double gflops() const { return us > 0 ? operations / us * 1e-3 : 0; }
  double gigabytes_per_s() const { return us > 0 ? bytes / us * 1e-3 : 0; }
  /// Of the FMA peak, or for what only moves bytes of the memory's bandwidth.
  double share_of_peak(const Machine& machine) const {
    return computes() ? gflops() * 1e9 / machine.flops : gigabytes_per_s() * 1e9 / machine.bytes_per_s;
  }
};

Sum sum_of(const StepProfile& step) {
  Sum sum;
  sum.add(step);
  return sum;
}

double run_us(const Profile& profile) {
  return profile.run_us[profile.median_run()];
}

std::string percent(double share) {
  return number("%.1f", 100 * share);
}

/// us, % of run, GFLOP/s, GB/s, % of peak
std::vector<std::string> speed_cells(const Sum& sum, double run, const Machine& machine) {
  return {number("%.2f", sum.us), percent(sum.us / run), sum.computes() ? number("%.1f", sum.gflops()) : "",
          sum.computes() ? "" : number("%.1f", sum.gigabytes_per_s()), percent(sum.share_of_peak(machine))};
}

Table speed_table(std::vector<Table::Column> first) {
  for (const char* heading : {"us", "% of run", "GFLOP/s", "GB/s", "% of peak"})
    first.push_back({heading, Align::right});
  return Table(std::move(first));
}

void add_row(Table& table, std::vector<std::string> first, const std::vector<std::string>& cells) {
  first.insert(first.end(), cells.begin(), cells.end());
  table.add(std::move(first));
}

std::string shapes_text(const std::vector<Shape>& shapes) {
  std::string text;
  for (const Shape& shape : shapes) text += (text.empty() ? "" : " ") + shape.str();
  return text;
}

Json shapes_json(const std::vector<Shape>& shapes) {
  Json list = Json::array();
  for (const Shape& shape : shapes) list.push_back(shape.dims());
  return list;
}

}  // namespace

Machine measure_machine(int threads) {
  return {fma_peak(active_isa(), threads), memory_bandwidth(threads)};
}

void print_profile(std::ostream& out, const Profile& profile, const Machine& machine) {
  const double run = run_us(profile);
  Table steps = speed_table({{"step"}, {"op"}, {"output"}});
  Sum total;
  std::map<std::string, Sum> ops;
  for (const StepProfile& step : profile.steps) {
    add_row(steps, {step.name, step.op, shapes_text(step.outputs)}, speed_cells(sum_of(step), run, machine));
    total.add(step);
    ops[step.op].add(step);
  }
  // Of the run as a whole: more than the steps for what lies between them, less where some ran at once.
  total.us = run;
  add_row(steps, {"total", "", ""}, speed_cells(total, run, machine));
  steps.print(out);

  std::vector<std::pair<std::string, Sum>> sorted(ops.begin(), ops.end());
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto& a, const auto& b) { return a.second.us > b.second.us; });
  Table summary = speed_table({{"op"}, {"steps", Align::right}});
  for (const auto& [op, sum] : sorted) {
    add_row(summary, {op, std::to_string(sum.steps)}, speed_cells(sum, run, machine));
  }
  out << '\n';
  summary.print(out);
  out << "\nmedians of " << profile.run_us.size() << " runs on " << profile.threads
      << " thread(s); the peak is " << number("%.1f", machine.flops * 1e-9) << " GFLOP/s (" << active_isa()
      << " multiply-adds), of steps without any the memory's " << number("%.1f", machine.bytes_per_s * 1e-9)
      << " GB/s, which caches surpass\n";
}

void add_profile(Json& result, const Profile& profile, const Machine& machine) {
  const double run = run_us(profile);
  Json steps = Json::array();
  for (const StepProfile& step : profile.steps) {
    const Sum sum = sum_of(step);
    Json entry = {{"name", step.name},   {"op", step.op},         {"outputs", shapes_json(step.outputs)},
                  {"median_us", sum.us}, {"share", sum.us / run}, {"multiply_adds", step.multiply_adds},
                  {"bytes", step.bytes}};
    entry[sum.computes() ? "gflops" : "gb_per_s"] = sum.computes() ? sum.gflops() : sum.gigabytes_per_s();
    entry["share_of_peak"] = sum.share_of_peak(machine);
    steps.push_back(std::move(entry));
  }
  result["profiled_us"] = run;
  result["profiled_runs"] = profile.run_us.size();
  result["profiled_threads"] = profile.threads;
  result["fma_peak_gflops"] = machine.flops * 1e-9;
  result["memory_gb_per_s"] = machine.bytes_per_s * 1e-9;
  result["steps"] = std::move(steps);
}

Json trace_events(const Profile& profile) {
  const size_t run = profile.median_run();
  Json events = Json::array();
  for (const StepProfile& step : profile.steps) {
    const StepTime& time = step.times[run];
    Json args = {{"inputs", shapes_text(step.inputs)}, {"outputs", shapes_text(step.outputs)}};
    if (step.multiply_adds > 0 && time.duration_us > 0) {
      args["GFLOP/s"] = 2e-3 * static_cast<double>(step.multiply_adds) / time.duration_us;
    }
    events.push_back({{"name", step.name},
                      {"cat", step.op},
                      {"ph", "X"},
                      {"ts", time.start_us},
                      {"dur", time.duration_us},
                      {"pid", 1},
                      {"tid", time.thread},
                      {"args", std::move(args)}});
  }
  return {{"traceEvents", std::move(events)}, {"displayTimeUnit", "ns"}};
}

}  // namespace pleat::tools
