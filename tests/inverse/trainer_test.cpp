// Training: the same again from the same seed, resumed as if never stopped, honest about bad input.
#include "nmrinverse/trainer.h"

#include <fstream>
#include <limits>

#include "catch_compat.h"
#include "nmrsim/errors.h"
#include "tensor_file.h"
#include "training_problem.h"

using namespace nmrinverse;

namespace {

/// The model's weights and all else that is in its file but for the time it took.
TensorFile content(const Model& model, const TestFolder& folder) {
    const std::string path = folder.file("content.safetensors");
    save_model(model, path);
    TensorFile file = read_tensor_file(path);
    file.metadata.erase("record");
    return file;
}

void require_same(const TensorFile& a, const TensorFile& b) {
    CHECK(a.metadata == b.metadata);
    REQUIRE(a.tensors.size() == b.tensors.size());
    for (const auto& [name, tensor] : a.tensors) {
        INFO(name);
        CHECK(tensor.values == b.tensors.at(name).values);
    }
}

/// Stops a training at its first report in `epoch`.
TrainingReport stop_in(int epoch) {
    return [epoch](const TrainingProgress& progress) { return progress.epoch < epoch; };
}

/// Echoes of a short window, cheap to simulate.
nmrsim::Experiment echo_experiment() {
    nmrsim::Experiment experiment = small_experiment(128);
    experiment.sequence.program = nmrsim::HahnEcho{60.0, 2.0, 0.0, 90.0, 20.0};
    return experiment;
}

}  // namespace

TEST_CASE("The same seed gives the same model; another seed another one", "[trainer]") {
    const TestFolder folder("trainer_test_seed");
    const nmrsim::Dataset data = linear_dataset(1500, 0.05, 1);
    TrainingOptions options = small_training();
    options.noise_low = 0.01;  // drawn on the fly, so its draws count too
    options.noise_high = 0.1;
    const TensorFile first = content(train(data, options), folder);
    require_same(first, content(train(data, options), folder));
    options.seed = 2;
    const TensorFile other = content(train(data, options), folder);
    CHECK(first.tensors.at("member0.embedding.input.weight").values !=
          other.tensors.at("member0.embedding.input.weight").values);
}

TEST_CASE("A training on a data set that was stopped and resumed ends as if it had not been",
          "[trainer]") {
    const TestFolder folder("trainer_test_resume");
    const nmrsim::Dataset data = linear_dataset(3000, 0.05, 1);
    TrainingOptions options = small_training();
    options.epochs = 12;
    const TensorFile whole = content(train(data, options), folder);
    options.checkpoint = folder.file("checkpoint");
    train(data, options, stop_in(3));
    REQUIRE(std::filesystem::exists(options.checkpoint));
    options.resume = true;
    int first_epoch = 0;
    const Model resumed = train(data, options, [&](const TrainingProgress& progress) {
        if (!first_epoch) first_epoch = progress.epoch;
        return true;
    });
    CHECK(first_epoch != 1);
    CHECK(resumed.record().epochs == 12);
    require_same(whole, content(resumed, folder));
}

TEST_CASE("A network with convolutions trains, resumes and is the same once read back",
          "[trainer]") {
    const TestFolder folder("trainer_test_convolution");
    const nmrsim::Dataset data = linear_dataset(1500, 0.05, 1);
    TrainingOptions options = small_training();
    options.embedding = "convolution";
    options.epochs = 8;
    const Model model = train(data, options);
    const TensorFile whole = content(model, folder);
    CHECK(whole.tensors.count("member0.embedding.convolutions.stage0.first.weight") == 1);
    options.checkpoint = folder.file("checkpoint");
    train(data, options, stop_in(3));
    REQUIRE(std::filesystem::exists(options.checkpoint));
    options.resume = true;
    require_same(whole, content(train(data, options), folder));

    const Model back = load_model(folder.file("content.safetensors"));
    const std::size_t points = data.points();
    const Predictions a = model.predict(std::span(data.signal).first(20 * points), 10, 0.05);
    const Predictions b = back.predict(std::span(data.signal).first(20 * points), 10, 0.05);
    CHECK(a.mean == b.mean);
    CHECK(a.sd == b.sd);
}

TEST_CASE("A training on simulated curves is reproducible and resumes", "[trainer]") {
    const TestFolder folder("trainer_test_simulated");
    const nmrsim::Experiment experiment = echo_experiment();
    TrainingOptions options = small_training();
    options.epochs = 3;
    options.curves_per_epoch = 600;
    options.noise_low = options.noise_high = 1e-3;
    const TensorFile whole = content(train(experiment, options), folder);
    require_same(whole, content(train(experiment, options), folder));

    // The checkpoint of the first epoch, as a training that is killed leaves it.
    options.checkpoint = folder.file("checkpoint");
    train(experiment, options);
    REQUIRE(std::filesystem::exists(options.checkpoint));
    options.resume = true;
    const Model resumed = train(experiment, options);
    // Three epochs of 600 curves, each used twice.
    CHECK(resumed.record().curves_seen == 3600);
    require_same(whole, content(resumed, folder));

    options.learning_rate *= 2.0;
    CHECK_THROWS_WITH(train(experiment, options), ContainsSubstring("expected the checkpoint of"));
    std::ofstream(options.checkpoint) << "rubbish";
    CHECK_THROWS_AS(train(experiment, options), nmrsim::InputError);
}

TEST_CASE("A timed training ends in time, and its model works", "[trainer]") {
    TrainingOptions options = small_training();
    options.minutes = 2.0 / 60.0;
    options.epochs = 2;
    options.curves_per_epoch = 1 << 20;  // more than fit
    double last = 0.0;
    const Model model = train(echo_experiment(), options, [&](const TrainingProgress& progress) {
        CHECK(progress.fraction >= last);
        last = progress.fraction;
        return true;
    });
    CHECK(model.record().seconds >= 2.0);
    // A step and an evaluation more than asked for; ten seconds on a machine that does much else.
    CHECK(model.record().seconds < 12.0);
    const nmrsim::Dataset test = nmrsim::generate_dataset(echo_experiment(), 10, 9);
    CHECK(model.predict(test.signal, 10).count == 10);
}

TEST_CASE("Early stopping keeps the best weights", "[trainer]") {
    // Forty curves of pure noise: nothing to learn, so the held-out part soon gets worse.
    nmrsim::Dataset data = linear_dataset(40, 10.0, 1);
    TrainingOptions options = small_training();
    options.epochs = 500;
    options.held_out = 0.5;
    options.patience = 5;
    const Model model = train(data, options);
    CHECK(model.record().epochs < 500);
    // Both its parts, the estimate's and the posterior's, are 0 for the prior: no worse than that
    // by more than chance (0.2 each).
    CHECK(model.record().held_out_loss < 0.4);
}

TEST_CASE("Bad options and bad data are refused with their value", "[trainer]") {
    TrainingOptions options = small_training();
    const nmrsim::Dataset data = linear_dataset(100, 0.05, 1);
    const auto refused = [&](auto change, const char* message) {
        TrainingOptions changed = options;
        change(changed);
        CHECK_THROWS_WITH(train(data, changed), ContainsSubstring(message));
    };
    refused([](TrainingOptions& o) { o.epochs = 0; }, "epochs must be >= 1, got 0");
    refused([](TrainingOptions& o) { o.held_out = 0.7; }, "held_out must be in (0, 0.5], got 0.7");
    refused([](TrainingOptions& o) { o.learning_rate = -1.0; },
            "learning_rate must be > 0, got -1");
    refused([](TrainingOptions& o) { o.noise_high = 0.1; }, "noise_low must be > 0");
    refused([](TrainingOptions& o) { o.device = "tpu"; }, "auto, cpu or cuda, got tpu");

    nmrsim::Dataset broken = data;
    broken.signal[5 * 128 + 3] = std::numeric_limits<float>::quiet_NaN();
    CHECK_THROWS_WITH(train(broken, options), ContainsSubstring("curve 5"));
    broken = data;
    broken.parameters.clear();
    CHECK_THROWS_AS(train(broken, options), std::invalid_argument);
    CHECK_THROWS_AS(train(linear_dataset(1, 0.05, 1), options), std::invalid_argument);
    nmrsim::Experiment experiment = echo_experiment();
    CHECK_THROWS_WITH(train(experiment, options),
                      ContainsSubstring("curves_per_epoch must be >= 1"));
    experiment.prior.clear();
    CHECK_THROWS_WITH(train(experiment, options), ContainsSubstring("prior"));
}

TEST_CASE("A training that runs away says so", "[trainer]") {
    TrainingOptions options = small_training();
    options.learning_rate = 1e30;
    CHECK_THROWS_AS(train(linear_dataset(2000, 0.05, 1), options), std::runtime_error);
}
