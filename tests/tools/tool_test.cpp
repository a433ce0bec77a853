#include <doctest/doctest.h>
#include <signal.h>

#include <chrono>
#include <cstring>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "pleat/data.hpp"
#include "pleat/model.hpp"
#include "pleat/models.hpp"
#include "pleat/npy.hpp"
#include "pleat/safetensors.hpp"
#include "tools/tool.hpp"

// The contract of the program `pleat` that other programs rely on: options, JSON keys, files, exit codes.

using namespace pleat;
using namespace pleat::test;

namespace {

void check_same_tensors(const fs::path& a, const fs::path& b) {
  const StateDict left = read_safetensors(a).tensors, right = read_safetensors(b).tensors;
  REQUIRE(left.size() == right.size());
  for (size_t i = 0; i < left.size(); ++i) {
    CAPTURE(left[i].first);
    CHECK(left[i].first == right[i].first);
    REQUIRE(left[i].second.bytes() == right[i].second.bytes());
    CHECK(std::memcmp(left[i].second.raw(), right[i].second.raw(), left[i].second.bytes()) == 0);
  }
}

/// Waits until the program has printed `text`; false after three minutes.
bool wait_for_output(const Process& process, const std::string& text) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(3);
  while (process.out().find(text) == std::string::npos) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

}  // namespace

TEST_CASE("help names every option of the contract") {
  const TemporaryFolder folder;
  const ProcessResult all = pleat_in(folder, {"--help"});
  CHECK(all.exit_code == 0);
  const std::vector<std::pair<std::string, std::vector<std::string>>> commands = {
      {"train",
       {"MODEL", "--data", "--epochs", "--batch", "--lr", "--optimizer", "--schedule", "--seed", "--threads",
        "--out", "--resume", "--hidden", "--config", "--set", "--seeds", "--find-lr", "--skip-broken",
        "--json"}},
      {"eval", {"MODEL", "--weights", "--data", "--skip-broken", "--unfolded", "--json"}},
      {"fold", {"MODEL", "--weights", "--data"}},
      {"run", {"MODEL", "--weights", "--input", "--output-dir"}},
      {"bench",
       {"MODEL", "--weights", "--batch", "--threads", "--seconds", "--train", "--unfolded", "--profile",
        "--trace", "--json"}},
      {"info", {"MODEL"}}};
  for (const auto& [name, options] : commands) {
    CAPTURE(name);
    CHECK(all.out.find(name) != std::string::npos);
    const ProcessResult help = pleat_in(folder, {name, "--help"});
    CHECK(help.exit_code == 0);
    for (const std::string& option : options) {
      CAPTURE(option);
      CHECK(help.out.find(option) != std::string::npos);
    }
    for (const std::string& model : models::names()) CHECK(help.out.find(model) != std::string::npos);
  }
}

TEST_CASE("train, eval, fold, run: files, JSON, and results that agree") {
  const TemporaryFolder folder;
  write_blobs(folder / "blobs.csv");
  const json trained = result_of(
      pleat_in(folder, train_blobs("run", {"--epochs", "4", "--lr", "0.1", "--optimizer", "sgd", "--schedule",
                                           "cosine", "--seed", "3", "--threads", "2", "--json"})));
  check_positive(trained, {"epochs", "train_loss", "test_accuracy", "seconds", "images_per_s"});
  CHECK(trained["epochs"] == 4);
  CHECK(trained["test_accuracy"].get<double>() > 0.8);
  CHECK(fs::exists(folder / "run/last.safetensors"));
  CHECK(fs::exists(folder / "run/best.safetensors"));
  std::ifstream metrics(folder / "run/metrics.jsonl");
  int lines = 0;
  for (std::string line; std::getline(metrics, line); ++lines) CHECK(json::parse(line).is_object());
  CHECK(lines == 4);

  const std::vector<std::string> evaluate = {"eval",   "custom",        "--weights", "run/last.safetensors",
                                             "--data", "csv:blobs.csv", "--json"};
  const json folded = result_of(pleat_in(folder, evaluate));
  check_positive(folded, {"accuracy", "loss", "images_per_s"});
  CHECK(folded["accuracy"] == trained["test_accuracy"]);
  auto unfolded_arguments = evaluate;
  unfolded_arguments.push_back("--unfolded");
  const json unfolded = result_of(pleat_in(folder, unfolded_arguments));
  CHECK(unfolded["accuracy"] == folded["accuracy"]);
  CHECK(unfolded["loss"].get<double>() == doctest::Approx(folded["loss"].get<double>()).epsilon(1e-5));

  const json fold = result_of(pleat_in(
      folder, {"fold", "custom", "--weights", "run/last.safetensors", "--data", "csv:blobs.csv", "--json"}));
  CHECK(fold["folded"] == 2);
  CHECK(fold["batch_norms"] == 2);
  CHECK(fold["left"].empty());
  CHECK(fold["rolled_back"].empty());
  CHECK(fold["holds"] == true);
  CHECK(fold["entries"].size() == 2);
  CHECK(fold["predictions_agree"] == true);
  CHECK(fold["max_rel_error"].get<double>() < 1e-5);
  check_positive(fold, {"max_abs_error", "max_rel_error", "reference_scale", "largest_scale", "seconds"});
  const ProcessResult table = pleat_in(folder, {"fold", "custom", "--weights", "run/last.safetensors"});
  CHECK(table.exit_code == 0);
  CHECK(table.out.find("bn1") != std::string::npos);
}

TEST_CASE("run reads and writes NumPy arrays, on request normalized as in training") {
  const TemporaryFolder folder;
  const std::string weights = trained_blobs(folder);
  constexpr int64_t kItems = 5;
  std::vector<float> values(kItems * 6);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 7) / 4;
  const Tensor input = Tensor::from<float>({kItems, 6}, values);
  write_npy(folder / "x.npy", input);
  write_npy(folder / "x64.npy", input.to(DType::f64));

  const std::vector<std::string> run = {"run", "custom", "--weights", weights};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), run.begin(), run.end());
    return pleat_in(folder, more);
  };
  CHECK(with({"--input", "x.npy", "--output-dir", "raw"}).exit_code == 0);
  CHECK(with({"--input", "x.npy", "--output-dir", "a", "--normalize"}).exit_code == 0);
  CHECK(with({"--input", "x=x.npy", "--output-dir", "b", "--normalize", "--unfolded"}).exit_code == 0);
  CHECK(with({"--input", "x64.npy", "--output-dir", "c", "--normalize", "--threads", "1"}).exit_code == 0);
  const Tensor a = read_npy(folder / "a/0.npy"), b = read_npy(folder / "b/0.npy"),
               c = read_npy(folder / "c/0.npy");
  REQUIRE(a.shape() == Shape{kItems, 3});
  REQUIRE(b.shape() == a.shape());
  CHECK(!fs::exists(folder / "a/1.npy"));

  // The same by the library, with the normalization that the checkpoint keeps.
  const SafeTensors file = read_safetensors(folder / weights);
  const json normalization = json::parse(file.metadata.at("normalization"));
  Dataset data{input.clone(), Tensor(Shape{kItems}, DType::i64), /*classes=*/1};
  normalize(data, {normalization["mean"].get<std::vector<float>>(),
                   normalization["std"].get<std::vector<float>>()});
  Model model(models::custom(6, 8, 3));
  StateDict state;
  for (const auto& [name, unused] : model.state_dict()) state.emplace_back(name, *find(file.tensors, name));
  model.load_state_dict(state);
  model.eval();
  const Tensor expected = model(data.inputs), expected_raw = model(input),
               raw = read_npy(folder / "raw/0.npy");
  for (int64_t i = 0; i < a.numel(); ++i) {
    CHECK(raw.data<float>()[i] == expected_raw.data<float>()[i]);
    CHECK(a.data<float>()[i] == expected.data<float>()[i]);
    CHECK(c.data<float>()[i] == expected.data<float>()[i]);
    CHECK(b.data<float>()[i] == doctest::Approx(expected.data<float>()[i]).epsilon(1e-4));
  }

  check_fails(with({"--input", "nowhere.npy"}), "nowhere.npy");
  check_fails(with({"--input", "wrong=x.npy"}), "wrong");
  write_npy(folder / "wide.npy", Tensor(Shape{2, 7}));
  check_fails(with({"--input", "wide.npy"}), "(N, 6)");
}

TEST_CASE("bench and info: JSON keys, both graph modes") {
  const TemporaryFolder folder;
  const std::vector<std::string> timed = {"median_us", "min_us",  "p99_us", "items_per_s",
                                          "first_us",  "load_ms", "peak_mb"};
  for (const char* mode : {"--json", "--unfolded", "--train"}) {
    CAPTURE(mode);
    const json bench = result_of(pleat_in(
        folder, {"bench", "custom", "--batch", "8", "--threads", "1", "--seconds", "0.05", mode, "--json"}));
    check_positive(bench, timed);
    CHECK(!bench["isa"].get<std::string>().empty());
    CHECK(bench["min_us"] <= bench["median_us"]);
    CHECK(bench["median_us"] <= bench["p99_us"]);
  }
  const json info = result_of(pleat_in(folder, {"info", "net", "--json"}));
  CHECK(info["parameters"] == 10 * 20 + 20 + 2 * 20 + 20 * 10 + 10);
  CHECK(info["multiply_adds"] == 10 * 20 + 20 * 10);
  CHECK(info["folded"] == 1);
  const ProcessResult table = pleat_in(folder, {"info", "mymodel"});
  CHECK(table.exit_code == 0);
  CHECK(table.out.find("conv1") != std::string::npos);
}

TEST_CASE("bench --profile and --trace: every step, its speed, and a file for Chrome's tracing") {
  const TemporaryFolder folder;
  for (const bool train : {false, true}) {
    CAPTURE(train);
    std::vector<std::string> arguments = {"bench",     "mymodel", "--batch", "4",         "--threads",
                                          "2",         "--size",  "8",       "--seconds", "0.05",
                                          "--profile", "--trace", "t.json",  "--json"};
    if (train) arguments.push_back("--train");
    const json bench = result_of(pleat_in(folder, arguments));
    check_positive(bench,
                   {"median_us", "profiled_us", "profiled_runs", "fma_peak_gflops", "memory_gb_per_s"});
    CHECK(bench["profiled_threads"] == 2);
    const json& steps = bench["steps"];
    const auto is_conv = [](const json& step) { return step["op"] == "conv_channels_last"; };
    int convolutions = 0;
    double shares = 0;
    for (const json& step : steps) {
      CAPTURE(step.dump());
      const bool computes = step["multiply_adds"].get<int64_t>() > 0;
      check_positive(step,
                     {"median_us", "share", "bytes", "share_of_peak", computes ? "gflops" : "gb_per_s"});
      CHECK(!step.contains(computes ? "gb_per_s" : "gflops"));
      convolutions += is_conv(step);
      shares += step["share"].get<double>();
    }
    CHECK(convolutions == 1);
    CHECK(shares > 0.2);
    for (const json& step : steps) {
      if (!is_conv(step)) continue;
      CHECK(step["outputs"] ==
            (train ? json{{4, 6, 6, 64}, {3, 64}} : json{{4, 1, 1, 64}}));  // averaged at once
      CHECK(step["multiply_adds"] == 4 * 64 * 6 * 6 * 3 * 3 * 3);
    }

    std::ifstream file(folder / "t.json");
    const json events = json::parse(file)["traceEvents"];
    REQUIRE(events.size() == steps.size());
    for (size_t i = 0; i < events.size(); ++i) {
      CHECK(events[i]["name"] == steps[i]["name"]);
      CHECK(events[i]["cat"] == steps[i]["op"]);
      CHECK(events[i]["ph"] == "X");
      CHECK(events[i]["ts"].get<double>() > 0);
      CHECK(events[i]["dur"].get<double>() > 0);
      CHECK(events[i]["tid"].get<int>() < 2);
      if (events[i]["cat"] == "conv") {
        CHECK(events[i]["args"]["inputs"].get<std::string>().starts_with("(4, 3, 8, 8) (64, 3, 3, 3)"));
        CHECK(events[i]["args"]["outputs"] == "(4, 64, 6, 6)");
      }
      CHECK(events[i]["args"].contains("GFLOP/s") == steps[i].contains("gflops"));
    }
    CHECK(!fs::exists(folder / "t.json.tmp"));
  }
  const ProcessResult table = pleat_in(folder, {"bench", "net", "--seconds", "0.05", "--profile"});
  CHECK(table.exit_code == 0);
  for (const char* part : {"fc1", "fc2", "linear", "(1, 20)", "total", "GFLOP/s", "% of peak"}) {
    CAPTURE(part);
    CHECK(table.out.find(part) != std::string::npos);
  }
  CHECK(!result_of(pleat_in(folder, {"bench", "net", "--seconds", "0", "--json"})).contains("steps"));
}

TEST_CASE("wrong arguments are said, with what would be right") {
  const TemporaryFolder folder;
  write_blobs(folder / "blobs.csv", 30);
  check_fails(pleat_in(folder, {}), "--help");
  check_fails(pleat_in(folder, {"teach"}), "--help");
  check_fails(pleat_in(folder, {"info", "resnet19"}), "resnet20");
  check_fails(pleat_in(folder, {"info", "net", "--wide"}), "--wide");
  check_fails(pleat_in(folder, {"bench", "net", "--trace", "nowhere/t.json"}), "no folder nowhere");
  check_fails(pleat_in(folder, {"bench", "net", "--trace", "."}), "is a folder");
  check_fails(pleat_in(folder, {"bench", "net", "--seconds", "0", "--trace", "/proc/t.json"}),
              "/proc/t.json");
  check_fails(pleat_in(folder, {"train", "net"}), "--data");
  check_fails(pleat_in(folder, {"train", "net", "--data", "pictures"}), "digits");
  check_fails(pleat_in(folder, train_blobs("run", {"--optimizer", "lbfgs"})), "adamw");
  check_fails(pleat_in(folder, train_blobs("run", {"--schedule", "sine"})), "cosine");
  check_fails(pleat_in(folder, train_blobs("run", {"--lr", "nan"})), "--lr");
  check_fails(pleat_in(folder, train_blobs("run", {"--epochs", "0"})), "--epochs");
  check_fails(pleat_in(folder, train_blobs("run", {"--flip"})), "images");
  check_fails(pleat_in(folder, train_blobs("run", {"--erase", "0.5"})), "images");
  check_fails(pleat_in(folder, train_blobs("run", {"--erase", "2"})), "--erase");
  check_fails(pleat_in(folder, {"train", "net", "--data", "csv:blobs.csv"}), "(N, 10)");
  check_fails(pleat_in(folder, {"train", "mymodel", "--data", "digits"}), "(N, 3, N, N)");
  check_fails(pleat_in(folder, {"bench", "net", "--train", "--unfolded"}), "--unfolded");
  check_fails(pleat_in(folder, {"bench", "net", "--train", "--batch", "1", "--seconds", "0.01"}), "batch");
  check_fails(pleat_in(folder, {"eval", "custom", "--data", "digits"}), "--weights");
  check_fails(run_process(command({"info", "net"}), folder.path(), {"PLEAT_ISA=mmx"}), "mmx");
  CHECK(!fs::exists(folder / "run"));
}

TEST_CASE("files that are missing, cut off, damaged or another network's are said") {
  const TemporaryFolder folder;
  const std::string weights = trained_blobs(folder);
  const auto evaluate = [&](const std::string& model, const std::string& file, const std::string& data) {
    return pleat_in(folder, {"eval", model, "--weights", file, "--data", data});
  };
  check_fails(evaluate("custom", "none.safetensors", "csv:blobs.csv"), "none.safetensors");
  check_fails(evaluate("net", weights, "csv:blobs.csv"), "custom");
  check_fails(evaluate("custom", weights, "csv:none.csv"), "none.csv");
  check_fails(evaluate("custom", weights, "idx:."), "ubyte");
  check_fails(evaluate("custom", weights, "digits"), "(N, 6)");

  fs::copy_file(folder / weights, folder / "cut.safetensors");
  fs::resize_file(folder / "cut.safetensors", fs::file_size(folder / weights) - 10);
  check_fails(evaluate("custom", "cut.safetensors", "csv:blobs.csv"), "cut.safetensors");
  std::ofstream(folder / "text.safetensors") << "these are no weights, only words";
  check_fails(evaluate("custom", "text.safetensors", "csv:blobs.csv"), "text.safetensors");

  SafeTensors file = read_safetensors(folder / weights);
  SafeTensors partial = file;
  std::erase_if(partial.tensors, [](const auto& entry) { return entry.first == "bn1.running_var"; });
  write_safetensors(folder / "partial.safetensors", partial);
  check_fails(evaluate("custom", "partial.safetensors", "csv:blobs.csv"), "bn1.running_var");
  file.metadata["sizes"] = "{\"features\": 6";
  write_safetensors(folder / "damaged.safetensors", file);
  check_fails(evaluate("custom", "damaged.safetensors", "csv:blobs.csv"), "damaged.safetensors");

  std::ofstream(folder / "nan.csv") << "a,b,class\n1,2,0\n3,nan,1\n";
  const ProcessResult nan =
      pleat_in(folder, {"train", "custom", "--data", "csv:nan.csv", "--out", "nan-run"});
  check_fails(nan, "nan.csv");
  CHECK(nan.err.find('3') != std::string::npos);
  check_fails(pleat_in(folder, train_blobs("/proc/none", {"--json"})), "/proc/none");
}

TEST_CASE("a run killed at any moment and resumed ends with the bits of one never killed") {
  const TemporaryFolder folder;
  write_blobs(folder / "blobs.csv", 2000);
  const std::vector<std::string> options = {
      "--epochs", "12", "--checkpoint-steps", "7", "--optimizer", "adamw", "--seed", "5"};
  REQUIRE(pleat_in(folder, train_blobs("whole", options)).exit_code == 0);
  auto resumed = options;
  resumed.push_back("--resume");
  for (const char* moment : {"epoch 1/", "epoch 4/"}) {
    CAPTURE(moment);
    Process process(command(train_blobs("killed", resumed)), folder.path(), kVariables);
    REQUIRE(wait_for_output(process, moment));
    process.signal(SIGKILL);
    process.wait();
  }
  const json last = [&] {
    auto arguments = resumed;
    arguments.push_back("--json");
    return result_of(pleat_in(folder, train_blobs("killed", arguments)));
  }();
  CHECK(last["epochs"] == 12);
  check_same_tensors(folder / "whole/last.safetensors", folder / "killed/last.safetensors");
  check_same_tensors(folder / "whole/best.safetensors", folder / "killed/best.safetensors");
}

TEST_CASE("Ctrl-C saves, says so, and the run can go on") {
  const TemporaryFolder folder;
  write_blobs(folder / "blobs.csv", 2000);
  const std::vector<std::string> options = {"--epochs", "2000", "--resume"};
  for (const int number : {SIGINT, SIGTERM}) {
    Process process(command(train_blobs("run", options)), folder.path(), kVariables);
    REQUIRE(wait_for_output(process, "epoch "));
    process.signal(number);
    const ProcessResult result = process.wait();
    INFO(result.err);
    CHECK(result.exit_code == 128 + number);
    CHECK(result.out.find("--resume") != std::string::npos);
    CHECK(fs::exists(folder / "run/last.safetensors"));
  }
  check_fails(pleat_in(folder, {"train", "custom", "--data", "digits", "--out", "run", "--resume"}),
              "--resume");
}
