#include "batch_norm_args.hpp"

#include <fnmatch.h>

#include "output.hpp"
#include "pleat/error.hpp"
#include "validators.hpp"

namespace pleat::tools {

namespace {

/// "layer1.0.bn1.momentum=0.05"; the layer may be a pattern of the shell's kind, "layer1.*.momentum=0.05".
struct LayerOption {
  std::string text, layer, option, value;

  explicit LayerOption(const std::string& given) : text(given) {
    const size_t equals = given.find('='), dot = given.rfind('.', equals);
    if (equals == std::string::npos || dot == std::string::npos || dot == 0) {
      throw Error("--bn " + given + ": LAYER.OPTION=VALUE is needed, such as bn1.momentum=0.05");
    }
    layer = given.substr(0, dot);
    option = given.substr(dot + 1, equals - dot - 1);
    value = given.substr(equals + 1);
  }

  [[noreturn]] void fail(const std::string& needed) const {
    throw Error("--bn " + text + ": " + option + " must be " + needed + ", got '" + value + "'");
  }
  bool flag() const {
    if (value != "true" && value != "false") fail("true or false");
    return value == "true";
  }
  template <class Number>
  Number number(const std::string& needed) const {
    Number parsed{};
    if (!CLI::detail::lexical_cast(value, parsed)) fail(needed);
    return parsed;
  }

  void set(Model& model, const std::string& name) const {
    BatchNormOptions options = batch_norm_options(model, name);
    if (option == "momentum") {
      options.momentum = value == "none" ? std::nullopt : std::optional(number<double>("a number or none"));
    } else if (option == "virtual_batch_size") {
      options.virtual_batch_size = number<int64_t>("a whole number");
    } else if (option == "single_value") {
      if (value != "error" && value != "running") fail("error or running");
      options.single_value = value == "running" ? SingleValue::running : SingleValue::error;
    } else if (option == "renorm") {
      options.renorm = flag() ? std::optional(BatchRenorm{}) : std::nullopt;
    } else if (option == "frozen") {
      model.freeze(name, flag());
    } else if (option == "requires_grad") {
      set_requires_grad(model, name, flag());
    } else {
      throw Error("--bn " + text + ": a BatchNorm has the options " + kLayerOptions + "; there is no '" +
                  option + "'");
    }
    set_batch_norm_options(model, name, options);
  }

  static constexpr const char* kLayerOptions =
      "momentum, virtual_batch_size, single_value, renorm, frozen and requires_grad";

 private:
  // One that is not affine lacks them.
  static void set_requires_grad(Model& model, const std::string& layer, bool on) {
    for (const auto& [name, tensor] : model.state_dict()) {
      if (name == layer + ".weight" || name == layer + ".bias") model.set_requires_grad(name, on);
    }
  }
};

}  // namespace

void BatchNormArgs::add_to(CLI::App& app, FitOptions& fit) {
  const std::string group = "BatchNorm and small batches";
  app.add_option("--bn-momentum", momentum, "Momentum of running statistics (default: the network's own)")
      ->check(between(0, 1.0))
      ->type_name("X")
      ->group(group);
  app.add_option("--virtual-batch-size", virtual_batch_size,
                 "Ghost batch norm: N items share statistics; 0: the whole batch")
      ->check(CLI::NonNegativeNumber)
      ->type_name("N")
      ->group(group);
  app.add_flag("--batch-renorm", renorm, "Batch renormalization, with the paper's limits and schedule")
      ->group(group);
  app.add_option(
         "--single-value", single_value,
         "A batch of one value a channel: error, or running, which normalizes by the running statistics")
      ->check(CLI::IsMember({"error", "running"}))
      ->type_name("NAME")
      ->group(group);
  app.add_option(
         "--accumulate", accumulate,
         "Compute each batch in N parts and add up their gradients: less memory; BatchNorm takes each "
         "part's statistics")
      ->check(CLI::Range(1, 1 << 24))
      ->type_name("N")
      ->group(group);
  app.add_option("--bn", layers,
                 std::string("Set an option of one BatchNorm, or of those that a pattern such as layer1.* "
                             "names: ") +
                     LayerOption::kLayerOptions)
      ->type_name("LAYER.OPTION=VALUE")
      ->expected(1)
      ->take_all()
      ->default_str("")
      ->group(group);
  app.add_flag("--recompute", fit.optimizer.recompute, kRecomputeHelp)->group(group);
  app.add_option("--ema-decay", fit.optimizer.ema_decay,
                 "Test and keep as the best an average of the weights that keeps this share a step; 0: none")
      ->check(between(0, 0.9999999))
      ->group(group);
  app.add_option("--recalibrate", fit.recalibrate_batches,
                 "Before each test compute BatchNorm's statistics anew over N batches; 0: do not")
      ->check(CLI::NonNegativeNumber)
      ->type_name("N")
      ->group(group);
}

void BatchNormArgs::apply(Model& model, FitOptions& fit) const {
  const std::vector<std::string> names = batch_norm_layers(model);
  for (const std::string& layer : names) {
    BatchNormOptions options = batch_norm_options(model, layer);
    if (momentum) options.momentum = *momentum;
    if (virtual_batch_size > 0) options.virtual_batch_size = virtual_batch_size;
    if (single_value == "running") options.single_value = SingleValue::running;
    if (renorm) options.renorm = BatchRenorm{};
    set_batch_norm_options(model, layer, options);
  }
  for (const std::string& text : layers) {
    const LayerOption given(text);
    bool found = false;
    for (const std::string& name : names) {
      if (fnmatch(given.layer.c_str(), name.c_str(), /*flags=*/0) != 0) continue;
      given.set(model, name);
      found = true;
    }
    if (!found) {
      throw Error("--bn " + text + ": no BatchNorm is called '" + given.layer + "'; there are " +
                  CLI::detail::join(names, ", "));
    }
  }
  if (accumulate > 1) fit.optimizer.micro_batch_size = (fit.batch_size + accumulate - 1) / accumulate;
}

}  // namespace pleat::tools
