#include <doctest/doctest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "pleat/safetensors.hpp"
#include "support/fault.hpp"
#include "support/small_fit.hpp"
#include "support/temporary_folder.hpp"

using namespace pleat;
using namespace pleat::test;

namespace {

std::string fault(Model& model, const Split& data, const FitOptions& options) {
  return test::fault([&] { fit(model, data, options); });
}

/// The final weights of the small fit, never stopped, and its trainer's state.
const StateDict& uninterrupted() {
  static const StateDict weights = [] {
    const TemporaryFolder folder;
    Model model = small_model();
    fit(model, small_split(), small_options(folder.path()));
    return read_safetensors(folder / "last.safetensors").tensors;
  }();
  return weights;
}

/// metrics.jsonl's epochs, in order.
std::vector<int64_t> epochs_in(const std::filesystem::path& file) {
  std::istringstream lines(read_bytes(file));
  std::vector<int64_t> epochs;
  for (std::string line; std::getline(lines, line);) {
    epochs.push_back(nlohmann::json::parse(line).at("epoch"));
  }
  return epochs;
}

void check_finished(const TemporaryFolder& folder) {
  const SafeTensors last = read_safetensors(folder / "last.safetensors");
  CHECK((bytes_of(last.tensors) == bytes_of(uninterrupted())));
  CHECK(epochs_in(folder / "metrics.jsonl") == std::vector<int64_t>{1, 2, 3, 4});
  CHECK(count_files(folder.path()) == 3);  // no temporary file is left
}

}  // namespace

int pleat::test::fit_process(const std::filesystem::path& folder) {
  FitOptions options = small_options(folder);
  options.resume = true;
  options.checkpoint_steps = 2;
  options.on_step = [](int64_t, int64_t, double, double) {
    std::this_thread::sleep_for(std::chrono::milliseconds(4));
  };
  Model model = small_model();
  fit(model, small_split(), options);
  return 0;
}

TEST_CASE("fit learns, validates and writes its files") {
  const TemporaryFolder folder;
  FitOptions options = small_options(folder / "run");
  options.epochs = 8;
  options.metadata["model"] = "small";
  std::vector<EpochMetrics> epochs;
  int64_t steps = 0, last_total = 0;
  options.on_epoch = [&](const EpochMetrics& metrics) { epochs.push_back(metrics); };
  options.on_step = [&](int64_t step, int64_t total, double, double) {
    CHECK(step == ++steps);
    last_total = total;
  };
  Model model = small_model();
  const FitResult result = fit(model, small_split(), options);
  CHECK(result.epochs == 8);
  CHECK(steps == 8 * 6);
  CHECK(last_total == steps);
  CHECK(result.best_accuracy > 0.8);
  CHECK(result.train_loss < epochs[0].train_loss);
  CHECK(result.images_per_s > 0);
  CHECK_FALSE((result.interrupted || result.stopped_early));
  REQUIRE(epochs.size() == 8);
  CHECK(epochs[7].test_accuracy == result.test_accuracy);
  CHECK(epochs[7].lr < epochs[1].lr);

  const SafeTensors best = read_safetensors(folder / "run" / "best.safetensors");
  CHECK(best.metadata.at("model") == "small");
  Model loaded = small_model(1, 99);
  loaded.load_state_dict(best.tensors);
  CHECK(evaluate(loaded, small_split().test).accuracy == result.best_accuracy);
  const auto line =
      nlohmann::json::parse(read_bytes(folder / "run" / "metrics.jsonl")
                                .substr(0, 200)
                                .substr(0, read_bytes(folder / "run" / "metrics.jsonl").find('\n')));
  for (const char* key :
       {"epoch", "train_loss", "test_loss", "test_accuracy", "lr", "seconds", "images_per_s"}) {
    CHECK(line.contains(key));
  }
}

TEST_CASE("fit's result depends on its seeds and on nothing else") {
  const auto run = [](uint64_t seed, uint64_t model_seed, int threads) {
    FitOptions options = small_options();
    options.epochs = 2;
    options.seed = seed;
    Model model = small_model(threads, model_seed);
    fit(model, small_split(), options);
    return bytes_of(model.state_dict());
  };
  const std::string first = run(3, 7, 1);
  CHECK((run(3, 7, 3) == first));
  CHECK((run(4, 7, 1) != first));
  CHECK((run(3, 8, 1) != first));
}

TEST_CASE("a fit that was asked to stop goes on with the same bits") {
  for (int64_t stop_at : {1, 5, 6, 7, 13, 24}) {
    CAPTURE(stop_at);
    const TemporaryFolder folder;
    std::atomic<bool> stop = false;
    FitOptions options = small_options(folder.path());
    options.stop = &stop;
    options.on_step = [&](int64_t step, int64_t, double, double) { stop = step == stop_at; };
    {
      Model model = small_model();
      const FitResult stopped = fit(model, small_split(), options);
      CHECK(stopped.interrupted);
      CHECK(stopped.epochs == (stop_at - 1) / 6);
    }
    options.resume = true;
    options.on_step = nullptr;
    stop = false;
    Model model = small_model(3, 7);
    const FitResult result = fit(model, small_split(), options);
    CHECK_FALSE(result.interrupted);
    CHECK(result.epochs == 4);
    check_finished(folder);
  }
}

TEST_CASE("a fit killed at any moment goes on with the same bits") {
  const TemporaryFolder folder;
  Random random(11);
  std::string program = std::filesystem::read_symlink("/proc/self/exe"), mode = "fit_process",
              where = folder.path();
  char* arguments[] = {program.data(), mode.data(), where.data(), nullptr};
  int kills = 0, status = 0;
  for (bool done = false; !done;) {
    pid_t child = 0;
    REQUIRE(posix_spawn(&child, program.c_str(), nullptr, nullptr, arguments, environ) == 0);
    if (kills < 12) {
      std::this_thread::sleep_for(std::chrono::microseconds(10'000 + random.below(60'000)));
      kill(child, SIGKILL);
      ++kills;
    }
    REQUIRE(waitpid(child, &status, 0) == child);
    done = WIFEXITED(status);
    REQUIRE((done || WTERMSIG(status) == SIGKILL));
  }
  CHECK(WEXITSTATUS(status) == 0);
  // A killed write may leave its temporary file; the three files themselves are whole.
  const SafeTensors last = read_safetensors(folder / "last.safetensors");
  CHECK((bytes_of(last.tensors) == bytes_of(uninterrupted())));
  CHECK(epochs_in(folder / "metrics.jsonl") == std::vector<int64_t>{1, 2, 3, 4});
}

TEST_CASE("a fit killed between its checkpoint and its metrics leaves no gap") {
  const TemporaryFolder folder;
  FitOptions options = small_options(folder.path());
  Model model = small_model();
  fit(model, small_split(), options);
  write_bytes(folder / "metrics.jsonl", "{\"epoch\": 1}\n{\"epoch\": 2, \"trai");
  options.resume = true;
  const FitResult result = fit(model, small_split(), options);  // nothing is left to do
  CHECK(result.epochs == 4);
  CHECK(result.images_per_s == 0);
  CHECK(std::isfinite(result.test_accuracy));
  check_finished(folder);
}

TEST_CASE("a fit refuses to go on with other options, and says which") {
  const TemporaryFolder folder;
  const FitOptions options = small_options(folder.path());
  Model trained = small_model();
  fit(trained, small_split(), options);
  const auto check = [&](std::string_view expected, const auto& change) {
    CAPTURE(expected);
    FitOptions other = options;
    other.resume = true;
    Split data = small_split();
    Model model = small_model();
    change(other, data);
    const std::string before = bytes_of(model.state_dict());
    const std::string text = fault(model, data, other);
    CAPTURE(text);
    CHECK(contains(text, "cannot resume from"));
    CHECK(contains(text, expected));
    CHECK((bytes_of(model.state_dict()) == before));
  };
  check("batch_size was 16, now 8", [](FitOptions& o, Split&) { o.batch_size = 8; });
  check("seed was 3, now 4", [](FitOptions& o, Split&) { o.seed = 4; });
  check("epochs was 4, now 5", [](FitOptions& o, Split&) { o.epochs = 5; });  // cosine depends on it
  check("optimizer was", [](FitOptions& o, Split&) { o.optimizer = {Adam{}}; });
  check("flip was true, now false", [](FitOptions& o, Split&) { o.augmentation.flip = false; });
  check("erase was null, now 0.5", [](FitOptions& o, Split&) { o.augmentation.erase = 0.5; });
  check("train_items was 90, now 80", [](FitOptions&, Split& d) { d.train = small_data(80, 1); });
  check("hash of the train labels", [](FitOptions&, Split& d) { d.train = small_data(90, 5); });

  Model other_seed = small_model(1, 8);
  FitOptions resumed = options;
  resumed.resume = true;
  CHECK(contains(fault(other_seed, small_split(), resumed), "model_seed was 7, now 8"));

  SafeTensors content = read_safetensors(folder / "last.safetensors");
  content.tensors[0].first = "other.weight";
  write_safetensors(folder / "last.safetensors", content);
  Model model = small_model();
  CHECK(contains(fault(model, small_split(), resumed), "other.weight"));
  write_safetensors(folder / "last.safetensors", {content.tensors, {}});
  CHECK(contains(fault(model, small_split(), resumed), "no checkpoint of a fit"));
  write_safetensors(folder / "last.safetensors", {content.tensors, {{"fit", "{\"progress\": 3"}}});
  CHECK(contains(fault(model, small_split(), resumed), "metadata is damaged"));
  write_bytes(folder / "last.safetensors", "no safetensors");
  CHECK(contains(fault(model, small_split(), resumed), "last.safetensors"));
}

TEST_CASE("more epochs may be added where the schedule does not depend on them") {
  const TemporaryFolder whole, parts;
  FitOptions options = small_options(whole.path());
  options.schedule = {.kind = ScheduleKind::step, .step_epochs = 2};
  Model model = small_model();
  fit(model, small_split(), options);
  options.out = parts.path();
  options.resume = true;  // of nothing yet: starts anew
  for (int64_t epochs : {2, 4}) {
    options.epochs = epochs;
    Model again = small_model();
    CHECK(fit(again, small_split(), options).epochs == epochs);
    if (epochs == 4) CHECK((bytes_of(again.state_dict()) == bytes_of(model.state_dict())));
  }
}

TEST_CASE("fit stops early where patience runs out") {
  FitOptions options = small_options();
  options.epochs = 50;
  options.patience = 2;
  options.optimizer = {SGD{.lr = 0}};  // never better than after the first epoch
  options.schedule = {};
  std::string notes;
  options.on_note = [&](const std::string& text) { notes += text; };
  Model model = small_model();
  model.freeze("bn1");  // its running statistics would go on changing
  const FitResult result = fit(model, small_split(), options);
  CHECK(result.stopped_early);
  CHECK(result.epochs == 3);
  CHECK(contains(notes, "stopped early"));
}

TEST_CASE("a last batch of one joins the batch before it") {
  Split data = small_split();
  data.train = small_data(33, 1);
  FitOptions options = small_options();
  options.epochs = 1;
  std::string notes;
  int64_t total = 0;
  options.on_note = [&](const std::string& text) { notes += text; };
  options.on_step = [&](int64_t, int64_t all, double, double) { total = all; };
  Model model = small_model();
  fit(model, data, options);
  CHECK(total == 2);
  CHECK(contains(notes, "joins the batch before it, of 17"));
}

TEST_CASE("fit on bad data says what is wrong, and keeps the last checkpoint") {
  const TemporaryFolder folder;
  FitOptions options = small_options(folder.path());
  options.epochs = 1;
  options.schedule = {};
  Model model = small_model();
  fit(model, small_split(), options);
  const std::string before = read_bytes(folder / "last.safetensors");

  Split data = small_split();
  data.train.inputs.data<float>()[100] = NAN;
  options.epochs = 2;
  options.resume = true;
  CHECK(contains(fault(model, data, options), "training data: the input of item 2 holds nan"));
  CHECK((read_bytes(folder / "last.safetensors") == before));

  data.train.labels.data<int64_t>()[17] = 3;
  CHECK(contains(fault(model, data, options), "training data: label 3 at position 17"));
  data = small_split();
  data.test.labels.data<int64_t>()[2] = -1;
  CHECK(contains(fault(model, data, options), "test data: label -1 at position 2"));
  data = small_split();
  data.test.inputs.data<float>()[36] = INFINITY;
  CHECK(contains(fault(model, data, options), "test data: the input of item 1 holds inf"));
  CHECK(contains(fault(model, {}, options), "no training data"));
}

TEST_CASE("fit without test data keeps the newest weights as the best") {
  const TemporaryFolder folder;
  Split data = small_split();
  data.test = {};
  FitOptions options = small_options(folder.path());
  options.epochs = 2;
  options.patience = 1;
  Model model = small_model();
  const FitResult result = fit(model, data, options);
  CHECK(result.epochs == 2);
  CHECK(std::isnan(result.test_accuracy));
  Model best = small_model(1, 99);
  best.load_state_dict(read_safetensors(folder / "best.safetensors").tensors);
  CHECK((bytes_of(best.state_dict()) == bytes_of(model.state_dict())));
}

TEST_CASE("fit minimizes the squared error to one-hot labels") {
  FitOptions options = small_options();
  options.loss.kind = LossKind::mse;
  options.epochs = 6;
  Model model = small_model();
  CHECK(fit(model, small_split(), options).best_accuracy > 0.7);
}
