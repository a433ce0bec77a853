#include "batch_norm_args.hpp"

#include "validators.hpp"

namespace pleat::tools {

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
  for (const std::string& layer : batch_norm_layers(model)) {
    BatchNormOptions options = batch_norm_options(model, layer);
    if (momentum) options.momentum = *momentum;
    if (virtual_batch_size > 0) options.virtual_batch_size = virtual_batch_size;
    if (single_value == "running") options.single_value = SingleValue::running;
    if (renorm) options.renorm = BatchRenorm{};
    set_batch_norm_options(model, layer, options);
  }
  if (accumulate > 1) fit.optimizer.micro_batch_size = (fit.batch_size + accumulate - 1) / accumulate;
}

}  // namespace pleat::tools
