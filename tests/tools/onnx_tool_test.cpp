// The contract of `pleat` with model files: fold, verify, export, and FILE.onnx wherever a MODEL stands.

#include <fstream>
#include <sstream>

#include "pleat/npy.hpp"
#include "pleat/onnx.hpp"
#include "pleat/tensor.hpp"
#include "tools/tool.hpp"

namespace pleat::test {
namespace {

/// custom (6, 8, 3), trained, as ONNX with its BatchNorm.
std::string exported_blobs(const TemporaryFolder& folder) {
  const std::string weights = trained_blobs(folder);
  result_of(pleat_in(folder, {"export", "custom", "blobs.onnx", "--weights", weights, "--json"}));
  return "blobs.onnx";
}

TEST_CASE("export and fold write files that the other commands take") {
  const TemporaryFolder folder;
  const std::string file = exported_blobs(folder);
  const json made = result_of(pleat_in(
      folder, {"fold", file, "folded.onnx", "--report", "report.json", "--data", "csv:blobs.csv", "--json"}));
  CHECK(made["batch_norms"] == 2);
  CHECK(made["folded"] == 2);
  CHECK(made["left"].empty());
  CHECK(made["rolled_back"].empty());
  CHECK(made["predictions_agree"] == true);
  check_positive(made, {"max_abs_error", "max_rel_error", "reference_scale", "seconds"});
  CHECK(made["max_rel_error"].get<double>() < 1e-5);
  CHECK(json::parse(std::ifstream(folder / "report.json")) == made);

  const json verified =
      result_of(pleat_in(folder, {"verify", file, "folded.onnx", "--batch", "16", "--json"}));
  CHECK(verified["agree"] == true);
  CHECK(verified["first_diverged"] == "");
  CHECK(verified["layers_compared"].get<int>() > 0);

  const json info = result_of(pleat_in(folder, {"info", "folded.onnx", "--json"}));
  CHECK(info["folded"] == 0);
  CHECK(info["left"] == 0);
  check_positive(result_of(pleat_in(folder, {"bench", "folded.onnx", "--seconds", "0.05", "--json"})),
                 {"median_us"});
}

TEST_CASE("a file runs, folded and unfolded, to the same outputs as the network it came from") {
  const TemporaryFolder folder;
  const std::string file = exported_blobs(folder);
  const Tensor input = Tensor::from<float>({2, 6}, {1, 2, 3, 4, 5, 6, -1, 0, 1, 0, -1, 0});
  write_npy(folder / "x.npy", input);
  const auto run = [&](std::vector<std::string> model, const std::string& out) {
    model.insert(model.begin(), "run");
    model.insert(model.end(), {"--input", "x=x.npy", "--output-dir", out});
    CHECK(pleat_in(folder, model).exit_code == 0);
    return read_npy(folder / (out + "/0.npy"));
  };
  const Tensor expected = run({"custom", "--weights", "run/best.safetensors"}, "a");
  for (const Tensor& y : {run({file}, "b"), run({file, "--unfolded"}, "c")}) {
    REQUIRE(y.shape() == expected.shape());
    for (int64_t i = 0; i < y.numel(); ++i) {
      CHECK(y.data<float>()[i] == doctest::Approx(expected.data<float>()[i]).epsilon(1e-4));
    }
  }
}

TEST_CASE("a file is trained on, its weights kept, and exported again") {
  const TemporaryFolder folder;
  const std::string file = exported_blobs(folder);
  const json trained = result_of(pleat_in(folder, {"train", file, "--data", "csv:blobs.csv", "--epochs", "2",
                                                   "--batch", "16", "--out", "tuned", "--json"}));
  CHECK(trained["epochs"] == 2);
  CHECK(trained["test_accuracy"].get<double>() > 0.5);
  const json exported = result_of(pleat_in(
      folder, {"export", file, "tuned.onnx", "--weights", "tuned/best.safetensors", "--folded", "--json"}));
  const json evaluated = result_of(pleat_in(
      folder, {"eval", file, "--weights", "tuned/best.safetensors", "--data", "csv:blobs.csv", "--json"}));
  CHECK(evaluated["accuracy"] == trained["best_accuracy"]);
  // The file has no normalization in it; what export says makes up for that.
  std::istringstream normalization(exported["normalization"].get<std::string>());
  std::vector<std::string> command = {"eval", "tuned.onnx", "--data", "csv:blobs.csv", "--json"};
  for (std::string word; normalization >> word;) command.push_back(word);
  REQUIRE(command.size() == 9);
  const json from_file = result_of(pleat_in(folder, command));
  CHECK(from_file["accuracy"] == trained["best_accuracy"]);
  CHECK(from_file["loss"].get<double>() == doctest::Approx(evaluated["loss"].get<double>()).epsilon(1e-4));
  CHECK(pleat_in(folder, {"verify", file, "tuned.onnx"}).exit_code == 1);  // training changed it
}

TEST_CASE("normalization given on the command line is that of a checkpoint") {
  const TemporaryFolder folder;
  const std::string file = exported_blobs(folder);
  const std::vector<std::string> evaluate = {"eval", file, "--data", "csv:blobs.csv", "--json"};
  auto normalized = evaluate;
  normalized.insert(normalized.end(), {"--mean", "0,0,0,0,0,0", "--std", "1"});
  CHECK(result_of(pleat_in(folder, evaluate))["accuracy"] ==
        result_of(pleat_in(folder, normalized))["accuracy"]);
  auto wrong = evaluate;
  wrong.insert(wrong.end(), {"--mean", "0,1"});
  check_fails(pleat_in(folder, wrong), "2 values");
  wrong = evaluate;
  wrong.insert(wrong.end(), {"--std", "0"});
  check_fails(pleat_in(folder, wrong), "--std");
}

TEST_CASE("a network that cannot be certified is not written, and the exit code says so") {
  const TemporaryFolder folder;
  const std::string file = exported_blobs(folder);
  const ProcessResult strict = pleat_in(folder, {"fold", file, "folded.onnx", "--tolerance", "1e-12"});
  CHECK(strict.exit_code == 1);
  CHECK(strict.out.find("NOT within") != std::string::npos);
  CHECK(!fs::exists(folder / "folded.onnx"));
}

TEST_CASE("info draws the graph") {
  const TemporaryFolder folder;
  const ProcessResult drawn = pleat_in(folder, {"info", "mymodel", "--dot"});
  CHECK(drawn.exit_code == 0);
  CHECK(drawn.out.starts_with("digraph {"));
  CHECK(drawn.out.find("\"conv1 (conv)\"") != std::string::npos);
  CHECK(drawn.out.find("(N, 64, N, N)") != std::string::npos);
}

TEST_CASE("files that are missing, cut off or no networks are said") {
  const TemporaryFolder folder;
  const std::string file = exported_blobs(folder);
  check_fails(pleat_in(folder, {"info", "none.onnx"}), "none.onnx");
  fs::copy_file(folder / file, folder / "cut.onnx");
  fs::resize_file(folder / "cut.onnx", fs::file_size(folder / file) / 2);
  check_fails(pleat_in(folder, {"info", "cut.onnx"}), "cut.onnx");
  std::ofstream(folder / "text.onnx") << "these are no layers, only words";
  check_fails(pleat_in(folder, {"fold", "text.onnx", "out.onnx"}), "text.onnx");
  CHECK(!fs::exists(folder / "out.onnx"));
  check_fails(pleat_in(folder, {"run", file, "--input", "y=x.npy"}), "no input named y");
  check_fails(pleat_in(folder, {"export", "custom", "/proc/none/x.onnx"}), "/proc/none");
}

}  // namespace
}  // namespace pleat::test
