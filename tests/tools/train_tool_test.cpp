#include <signal.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <thread>

#include "pleat/safetensors.hpp"
#include "tools/tool.hpp"

// What `pleat train` does beside one run: configurations, several seeds, rates, broken data.

using namespace pleat;
using namespace pleat::test;

namespace {

json read_json(const fs::path& file) {
  std::ifstream in(file);
  return json::parse(in);
}

std::string weights_of(const fs::path& file) {
  std::string bytes;
  for (const auto& [name, tensor] : read_safetensors(file).tensors) {
    bytes.append(static_cast<const char*>(tensor.raw()), tensor.bytes());
  }
  return bytes;
}

}  // namespace

TEST_CASE("train --config repeats a run with the same bits") {
  const TemporaryFolder folder;
  write_blobs(folder / "blobs.csv");
  REQUIRE(pleat_in(folder, train_blobs("run", {"--epochs", "3", "--lr", "0.03", "--nesterov", "--schedule",
                                               "cosine", "--seed", "18446744073709551615", "--mean", "0.5",
                                               "--std", "1,2,1,2,1,2"}))
              .exit_code == 0);
  const json config = read_json(folder / "run/config.json");
  CHECK(config["pleat"].is_string());
  CHECK(config["isa"].is_string());
  const json& options = config["train"];
  CHECK(options["MODEL"] == "custom");
  CHECK(options["data"] == "csv:blobs.csv");
  CHECK(options["epochs"] == 3);
  CHECK(options["batch"] == 16);
  CHECK(options["lr"] == 0.03);
  CHECK(options["seed"] == 18446744073709551615u);
  CHECK(options["hidden"] == 8);
  CHECK(options["nesterov"] == true);
  CHECK(options["flip"] == false);
  CHECK(options["optimizer"] == "sgd");
  CHECK(options["momentum"] == 0.9);
  CHECK(options["weight-decay"] == 0);
  CHECK(options["std"] == json{1, 2, 1, 2, 1, 2});
  for (const char* name : {"out", "resume", "json", "help", "set"}) CHECK(!options.contains(name));

  const std::vector<std::string> again = {"train", "--config", "run/config.json", "--out", "again"};
  REQUIRE(pleat_in(folder, again).exit_code == 0);
  CHECK((weights_of(folder / "again/last.safetensors") == weights_of(folder / "run/last.safetensors")));
  CHECK(read_json(folder / "again/config.json") == config);
}

TEST_CASE("train: the command line wins over --config, and --set over both") {
  const TemporaryFolder folder;
  write_blobs(folder / "blobs.csv");
  REQUIRE(pleat_in(folder, train_blobs("run", {"--epochs", "2", "--lr", "0.03"})).exit_code == 0);
  const auto options = [&](const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"train", "--config", "run/config.json", "--out", "other"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const ProcessResult result = pleat_in(folder, arguments);
    INFO(result.err);
    REQUIRE(result.exit_code == 0);
    return read_json(folder / "other/config.json")["train"];
  };
  const json changed = options({"--lr", "0.2", "--seed", "4"});
  CHECK(changed["lr"] == 0.2);
  CHECK(changed["seed"] == 4);
  CHECK(changed["epochs"] == 2);
  const json set =
      options({"--set", "lr=0.5", "--lr", "0.2", "--set", "nesterov=true", "--set", "momentum=0.5"});
  CHECK(set["lr"] == 0.5);
  CHECK(set["nesterov"] == true);
  CHECK(set["momentum"] == 0.5);

  // What is set is what trains.
  REQUIRE(pleat_in(folder,
                   train_blobs("plain", {"--epochs", "2", "--lr", "0.5", "--nesterov", "--momentum", "0.5"}))
              .exit_code == 0);
  CHECK((weights_of(folder / "plain/last.safetensors") == weights_of(folder / "other/last.safetensors")));
}

TEST_CASE("train: a configuration or a setting that cannot be is said") {
  const TemporaryFolder folder;
  write_blobs(folder / "blobs.csv");
  const auto with = [&](const std::string& text) {
    std::ofstream(folder / "c.json") << text;
    return pleat_in(folder, {"train", "--config", "c.json"});
  };
  check_fails(with("epochs: 3"), "config.json");
  check_fails(with(R"({"train": {"MODEL": "custom", "data": "csv:blobs.csv", "speed": 3}})"), "speed");
  check_fails(with(R"({"train": {"MODEL": "custom", "data": "csv:blobs.csv", "epochs": "many"}})"), "epochs");
  check_fails(with(R"({"train": {"MODEL": "custom"}})"), "--data");
  check_fails(pleat_in(folder, {"train", "--config", "none.json"}), "none.json");
  for (const char* wrong : {"lr", "speed=1", "out=x", "=1"}) {
    check_fails(pleat_in(folder, train_blobs("run", {"--set", wrong})), "--set");
  }
  check_fails(pleat_in(folder, train_blobs("run", {"--set", "lr=fast"})), "lr");
  check_fails(pleat_in(folder, train_blobs("run", {"--set", "epochs=0"})), "epochs");
  CHECK(!fs::exists(folder / "run"));
}

TEST_CASE("a refused resume leaves the run's configuration alone") {
  const TemporaryFolder folder;
  trained_blobs(folder);
  const json config = read_json(folder / "run/config.json");
  const ProcessResult refused =
      pleat_in(folder, train_blobs("run", {"--epochs", "4", "--seed", "9", "--resume"}));
  CHECK(refused.exit_code == 1);
  CHECK(refused.err.find("seed was 0, now 9") != std::string::npos);
  CHECK(read_json(folder / "run/config.json") == config);
}

TEST_CASE("train --find-lr shows a curve, suggests a rate and writes nothing") {
  const TemporaryFolder folder;
  write_blobs(folder / "blobs.csv");
  const json range = result_of(pleat_in(folder, train_blobs("run", {"--find-lr", "--json"})));
  check_positive(range, {"suggestion"});
  CHECK(range["suggestion"].get<double>() < 10);
  REQUIRE(range["curve"].size() > 50);
  CHECK(range["curve"][0]["lr"].get<double>() == doctest::Approx(1e-7));
  for (const json& point : range["curve"]) check_positive(point, {"lr", "loss", "smoothed"});
  const ProcessResult plot = pleat_in(folder, train_blobs("run", {"--find-lr"}));
  CHECK(plot.out.find("suggested: --lr ") != std::string::npos);
  CHECK(plot.out.find("****") != std::string::npos);
  CHECK(!fs::exists(folder / "run"));
  check_fails(pleat_in(folder, train_blobs("run", {"--find-lr", "--seeds", "2"})), "--seeds");
}

TEST_CASE("train --seeds: a run for each seed, as if it were alone, and their mean and deviation") {
  const TemporaryFolder folder;
  write_blobs(folder / "blobs.csv");
  const std::vector<std::string> options = {"--epochs", "2", "--lr", "0.005", "--json", "--seeds"};
  const auto with = [&](const std::string& seeds, const std::vector<std::string>& more = {}) {
    auto all = options;
    all.push_back(seeds);
    all.insert(all.end(), more.begin(), more.end());
    return pleat_in(folder, train_blobs("run", all));
  };
  const json result = result_of(with("4,1,9"));
  CHECK(result["seeds"] == json{4, 1, 9});
  REQUIRE(result["runs"].size() == 3);
  for (const char* key : {"test_accuracy", "best_accuracy"}) {
    double sum = 0, squares = 0;
    for (const json& run : result["runs"]) sum += run[key].get<double>();
    for (const json& run : result["runs"]) squares += std::pow(run[key].get<double>() - sum / 3, 2);
    CHECK(result[key]["mean"].get<double>() == doctest::Approx(sum / 3));
    CHECK(result[key]["std"].get<double>() == doctest::Approx(std::sqrt(squares / 2)));
  }
  CHECK(result["runs"][1]["seed"] == 1);
  CHECK(read_json(folder / "run/seed-1/config.json")["train"]["seed"] == 1);
  CHECK(!read_json(folder / "run/seed-1/config.json")["train"].contains("seeds"));
  CHECK(read_json(folder / "run/config.json")["train"]["seeds"] == json{4, 1, 9});

  REQUIRE(
      pleat_in(folder, train_blobs("alone", {"--epochs", "2", "--lr", "0.005", "--seed", "9"})).exit_code ==
      0);
  CHECK(
      (weights_of(folder / "alone/last.safetensors") == weights_of(folder / "run/seed-9/last.safetensors")));
  CHECK(
      (weights_of(folder / "alone/last.safetensors") != weights_of(folder / "run/seed-4/last.safetensors")));

  // Resumed, only what is missing is trained; the whole repeats from its configuration.
  fs::remove_all(folder / "run/seed-1");
  const json resumed = result_of(with("4,1,9", {"--resume"}));
  CHECK(resumed["runs"][0]["images_per_s"] == 0);
  CHECK(resumed["runs"][1]["images_per_s"].get<double>() > 0);
  CHECK(resumed["test_accuracy"] == result["test_accuracy"]);
  const json again =
      result_of(pleat_in(folder, {"train", "--config", "run/config.json", "--out", "again", "--json"}));
  CHECK(again["test_accuracy"] == result["test_accuracy"]);

  CHECK(result_of(with("2", {"--seed", "7"}))["seeds"] == json{7, 8});
  CHECK(result_of(with("1"))["test_accuracy"]["std"].is_null());
  check_fails(with("1,2,1"), "1 stands twice");
  check_fails(with("0"), "--seeds");
  check_fails(with("a,b"), "--seeds");
}

TEST_CASE("train --seeds stopped by Ctrl-C goes on where it was") {
  const TemporaryFolder folder;
  write_blobs(folder / "blobs.csv", 2000);
  const std::vector<std::string> options = {"--epochs", "20", "--seeds", "1,2", "--resume"};
  REQUIRE(pleat_in(folder, train_blobs("whole", options)).exit_code == 0);
  {
    Process process(command(train_blobs("run", options)), folder.path(), kVariables);
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(3);
    while (process.out().find("seed 2") == std::string::npos && std::chrono::steady_clock::now() < deadline) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    process.signal(SIGINT);
    const ProcessResult result = process.wait();
    CHECK(result.exit_code == 128 + SIGINT);
    CHECK(result.out.find("--resume continues") != std::string::npos);
  }
  REQUIRE(pleat_in(folder, train_blobs("run", options)).exit_code == 0);
  for (const char* file : {"seed-1/last.safetensors", "seed-2/last.safetensors"}) {
    CHECK((weights_of(folder / "run" / file) == weights_of(folder / "whole" / file)));
  }
}

TEST_CASE("broken data ends a run, or is left out, counted and named") {
  const TemporaryFolder folder;
  write_blobs(folder / "blobs.csv");
  std::ofstream(folder / "blobs.csv", std::ios::app) << "1,2,nan,4,5,6,0\n1,2,3\n";
  check_fails(pleat_in(folder, train_blobs("run", {})), "blobs.csv: line 242, column 3 (c): 'nan'");
  const json trained =
      result_of(pleat_in(folder, train_blobs("run", {"--epochs", "1", "--skip-broken", "--json"})));
  CHECK(trained["skipped"]["items"] == 2);
  REQUIRE(trained["skipped"]["reasons"].size() == 2);
  CHECK(trained["skipped"]["reasons"][1].get<std::string>().find("blobs.csv: line 243") != std::string::npos);
  CHECK(read_json(folder / "run/config.json")["train"]["skip-broken"] == true);

  const std::vector<std::string> evaluate = {
      "eval", "custom", "--weights", "run/best.safetensors", "--data", "csv:blobs.csv", "--skip-broken"};
  const ProcessResult text = pleat_in(folder, evaluate);
  CHECK(text.exit_code == 0);
  CHECK(text.out.find("left out 2 broken items of csv:blobs.csv:") != std::string::npos);
  CHECK(text.out.find("line 243: 3 fields") != std::string::npos);

  const json statistics = result_of(
      pleat_in(folder, {"recalibrate", "custom", "--weights", "run/best.safetensors", "--data",
                        "csv:blobs.csv", "--out", "precise.safetensors", "--skip-broken", "--json"}));
  CHECK(statistics["skipped"]["items"] == 2);
}

TEST_CASE("train tells the planned memory before the first step") {
  const TemporaryFolder folder;
  write_blobs(folder / "blobs.csv");
  const ProcessResult run = pleat_in(folder, train_blobs("run", {"--epochs", "1", "--json"}));
  check_positive(result_of(run), {"planned_mb"});
  const size_t told = run.err.find("training will take "), epoch = run.err.find("epoch 1/1");
  REQUIRE(told != std::string::npos);
  CHECK(told < epoch);
}
