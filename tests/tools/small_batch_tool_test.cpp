#include <algorithm>
#include <cstring>

#include "pleat/safetensors.hpp"
#include "tools/tool.hpp"

// `pleat recalibrate`, and the options of `pleat train` for small batches.

using namespace pleat;
using namespace pleat::test;

namespace {

Tensor tensor_of(const fs::path& file, const std::string& name) {
  const StateDict tensors = read_safetensors(file).tensors;
  REQUIRE(find(tensors, name) != nullptr);
  return *find(tensors, name);
}

bool same(const fs::path& a, const fs::path& b, const std::string& name) {
  const Tensor x = tensor_of(a, name), y = tensor_of(b, name);
  return x.bytes() == y.bytes() && std::memcmp(x.raw(), y.raw(), x.bytes()) == 0;
}

std::vector<std::string> recalibrate_blobs(const std::string& weights, const std::string& out,
                                           const std::vector<std::string>& more = {}) {
  std::vector<std::string> arguments = {"recalibrate", "custom",        "--weights", weights,
                                        "--data",      "csv:blobs.csv", "--out",     out};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

}  // namespace

TEST_CASE("recalibrate writes weights with new statistics, that the other commands take") {
  const TemporaryFolder folder;
  const std::string weights = trained_blobs(folder);
  const json all =
      result_of(pleat_in(folder, recalibrate_blobs(weights, "all.safetensors", {"--batch", "50", "--json"})));
  CHECK(all["layers"] == 2);
  CHECK(all["batches"] == 4);
  CHECK(all["items"] == 192);
  CHECK(all["file"] == "all.safetensors");
  CHECK(same(folder / weights, folder / "all.safetensors", "fc1.weight"));
  CHECK(!same(folder / weights, folder / "all.safetensors", "bn1.running_var"));
  const Tensor count = tensor_of(folder / "all.safetensors", "bn1.num_batches_tracked");
  CHECK(*count.data<int64_t>() == 4);
  const json evaluated = result_of(pleat_in(
      folder, {"eval", "custom", "--weights", "all.safetensors", "--data", "csv:blobs.csv", "--json"}));
  CHECK(evaluated["accuracy"].get<double>() > 0.8);

  const json some = result_of(pleat_in(
      folder, recalibrate_blobs(weights, "some.safetensors", {"--batch", "50", "--batches", "2", "--json"})));
  CHECK(some["batches"] == 2);
  CHECK(some["items"] == 100);

  const ProcessResult text = pleat_in(folder, recalibrate_blobs(weights, "net.onnx"));
  CHECK(text.exit_code == 0);
  CHECK(text.out.find("2 layers") != std::string::npos);
  result_of(pleat_in(folder, {"recalibrate", "net.onnx", "--data", "csv:blobs.csv", "--out",
                              "again.safetensors", "--json"}));
  result_of(pleat_in(
      folder, {"eval", "net.onnx", "--weights", "again.safetensors", "--data", "csv:blobs.csv", "--json"}));
}

TEST_CASE("recalibrate says what is wrong, and writes nothing then") {
  const TemporaryFolder folder;
  const std::string weights = trained_blobs(folder);
  check_fails(pleat_in(folder, recalibrate_blobs(weights, "missing/x.safetensors")), "there is no folder");
  check_fails(pleat_in(folder, recalibrate_blobs(weights, "x.safetensors", {"--batches", "-1"})),
              "--batches");
  check_fails(pleat_in(folder, recalibrate_blobs(weights, "x.safetensors", {"--batch", "1"})), "--batch");
  check_fails(
      pleat_in(folder, {"recalibrate", "custom", "--data", "csv:blobs.csv", "--out", "x.safetensors"}),
      "give its weights");
  CHECK(!fs::exists(folder / "x.safetensors"));
}

TEST_CASE("train takes the options of small batches, and a run resumed must have them too") {
  const TemporaryFolder folder;
  write_blobs(folder / "blobs.csv");
  const ProcessResult help = pleat_in(folder, {"train", "--help"});
  for (const char* option : {"--bn-momentum", "--virtual-batch-size", "--batch-renorm", "--single-value",
                             "--accumulate", "--recompute", "--ema-decay", "--recalibrate"}) {
    CAPTURE(option);
    CHECK(help.out.find(option) != std::string::npos);
  }
  const std::vector<std::string> options = {"--epochs",
                                            "3",
                                            "--virtual-batch-size",
                                            "8",
                                            "--bn-momentum",
                                            "0.05",
                                            "--accumulate",
                                            "2",
                                            "--ema-decay",
                                            "0.9",
                                            "--recalibrate",
                                            "2",
                                            "--batch-renorm",
                                            "--single-value",
                                            "running",
                                            "--json"};
  const json trained = result_of(pleat_in(folder, train_blobs("run", options)));
  CHECK(trained["best_accuracy"].get<double>() > 0.8);
  // The best are averages with statistics of two batches; the last are training's own, and its 12 steps an
  // epoch moved their statistics twice each.
  CHECK(!same(folder / "run/best.safetensors", folder / "run/last.safetensors", "fc1.weight"));
  const Tensor best = tensor_of(folder / "run/best.safetensors", "bn1.num_batches_tracked"),
               last = tensor_of(folder / "run/last.safetensors", "bn1.num_batches_tracked");
  CHECK(*best.data<int64_t>() == 2);
  CHECK(*last.data<int64_t>() == 3 * 12 * 2);

  std::vector<std::string> recomputing = options;
  recomputing.emplace_back("--recompute");
  CHECK(result_of(pleat_in(folder, train_blobs("again", recomputing)))["train_loss"] ==
        trained["train_loss"]);
  CHECK(same(folder / "run/last.safetensors", folder / "again/last.safetensors", "fc1.weight"));

  const std::vector<std::string> without = {"--epochs", "4", "--resume", "--json"};
  for (const char* part : {"virtual_batch_size", "recalibrate_batches", "micro_batch_size", "ema_decay"}) {
    check_fails(pleat_in(folder, train_blobs("run", without)), part);
  }
  check_fails(pleat_in(folder, train_blobs("other", {"--virtual-batch-size", "1", "--json"})),
              "a virtual batch size of 1");
  check_fails(pleat_in(folder, train_blobs("other", {"--ema-decay", "1.5"})), "--ema-decay");
}

TEST_CASE("train --bn sets options of single layers, which --config repeats and --set adds to") {
  const TemporaryFolder folder;
  write_blobs(folder / "blobs.csv");
  const auto is_filled_with = [&](std::string_view file, const std::string& name, float value) {
    const Tensor tensor = tensor_of(folder / file, name);
    return std::ranges::all_of(tensor.span<float>(), [&](float x) { return x == value; });
  };
  REQUIRE(pleat_in(folder, train_blobs("run", {"--epochs", "1", "--bn", "bn1.momentum=0", "--bn",
                                               "*.requires_grad=false"}))
              .exit_code == 0);
  CHECK(is_filled_with("run/last.safetensors", "bn1.running_mean", 0));
  CHECK(!is_filled_with("run/last.safetensors", "bn2.running_mean", 0));
  for (const char* weight : {"bn1.weight", "bn2.weight"}) {
    CHECK(is_filled_with("run/last.safetensors", weight, 1));
  }

  const ProcessResult again = pleat_in(folder, {"train", "--config", "run/config.json", "--out", "again"});
  REQUIRE(again.exit_code == 0);
  CHECK(same(folder / "run/last.safetensors", folder / "again/last.safetensors", "bn2.running_var"));
  const ProcessResult more = pleat_in(folder, {"train", "--config", "run/config.json", "--out", "more",
                                               "--set", "bn2.frozen=true", "--set", "lr=0.01"});
  REQUIRE(more.exit_code == 0);
  CHECK(is_filled_with("more/last.safetensors", "bn1.running_mean", 0));
  CHECK(is_filled_with("more/last.safetensors", "bn2.running_mean", 0));

  const std::vector<std::pair<std::string, std::string>> wrong = {
      {"bn9.momentum=0.1", "no BatchNorm is called 'bn9'; there are bn1, bn2"},
      {"bn1.speed=1", "there is no 'speed'"},
      {"bn1.momentum=fast", "momentum must be a number or none, got 'fast'"},
      {"bn1.momentum=2", "momentum must be in [0, 1], got 2"},
      {"bn1.virtual_batch_size=many", "must be a whole number"},
      {"bn1.single_value=two", "must be error or running"},
      {"bn1.frozen=perhaps", "must be true or false"},
      {"momentum=0.1", "LAYER.OPTION=VALUE is needed"}};
  for (const auto& [option, message] : wrong) {
    check_fails(pleat_in(folder, train_blobs("wrong", {"--bn", option})), message);
  }
  CHECK(!fs::exists(folder / "wrong"));
}
