// Models that learn from a first look: what an earlier model reads, and what the mean field leaves.

#include "network/torch.h"

#include <cmath>
#include <span>
#include <stdexcept>
#include <vector>

#include "catch_compat.h"
#include "model/first_look.h"
#include "model/model_state.h"
#include "model/tensor_file.h"
#include "nmrinverse/model.h"
#include "nmrinverse/trainer.h"
#include "nmrsim/errors.h"
#include "nmrsim/mean_field.h"
#include "training_problem.h"

using namespace nmrinverse;

namespace {

nmrsim::Experiment drawn_echo() {
    nmrsim::Experiment e = nmrsim::load_experiment("challenge-2024-gaussian");
    e.lattice.nx = e.lattice.ny = 64;
    e.prior[0].low = 0.1;  // within the range that so few sites can have
    e.prior[0].high = 1.0;
    e.accuracy.tolerance = 1e-3;
    return e;
}

const nmrsim::Dataset& curves(std::uint64_t seed) {
    static const nmrsim::Dataset first = nmrsim::generate_dataset(drawn_echo(), 150, 1);
    static const nmrsim::Dataset second = nmrsim::generate_dataset(drawn_echo(), 150, 2);
    return seed == 1 ? first : second;
}

TrainingOptions little_training() {
    TrainingOptions options = small_training();
    options.features = CurveFeatures::plain;
    options.gates = 16;
    options.batch = 32;
    options.epochs = 6;
    return options;
}

/// A first model's file, and the options of a second that looks with it.
struct FirstModel {
    TestFolder folder;
    TrainingOptions options = little_training();
    explicit FirstModel(const std::string& name) : folder(name) {
        save_model(train(curves(1), options), folder.file("first.safetensors"));
        options.first_look = folder.file("first.safetensors");
    }
};

std::span<const float> some(const nmrsim::Dataset& data, std::size_t count) {
    return std::span(data.signal).first(count * 2 * data.points());
}

}  // namespace

TEST_CASE("A first look is the residual at the first model's estimates, and these",
          "[first_look]") {
    const FirstModel first("first_look_test_look");
    const FirstLook look(load_model(first.options.first_look));
    const nmrsim::Experiment experiment = look.model().experiment();
    const nmrsim::MeanFieldResidual reading(experiment);
    const int kept = reading.samples();
    REQUIRE(look.samples() == 2 * kept + 4);
    const torch::Tensor seen = look.look(some(curves(2), 5), 5, 1);
    REQUIRE(seen.sizes().vec() == std::vector<std::int64_t>{5, 2, 2 * kept + 4});
    const Predictions read = look.model().predict(some(curves(2), 5), 5);
    std::vector<nmrsim::MeanField> fields;
    for (std::size_t c = 0; c < 5; ++c) {
        fields.push_back(nmrsim::mean_field(experiment, std::span(read.mean).subspan(3 * c, 3)));
    }
    std::vector<float> residual(5 * 2 * static_cast<std::size_t>(kept));
    reading.compute(some(curves(2), 5), fields, residual, 1);
    for (int c = 0; c < 5; ++c) {
        double square = 0.0;
        for (int i = 0; i < 2 * kept; ++i) {
            const float value = residual[static_cast<std::size_t>(2 * kept * c + i)];
            square += static_cast<double>(value) * static_cast<double>(value) / (2.0 * kept);
            CHECK(seen[c][i / kept][i % kept].item<float>() ==
                  Approx(1e3 * static_cast<double>(value)).margin(1e-3));
        }
        // Single numbers lie along -y, the axis of the second pulse.
        CHECK(-seen[c][1][2 * kept].item<double>() ==
              Approx(std::log(1e3 * std::sqrt(square))).margin(0.01));
        CHECK(std::abs(seen[c][0][2 * kept].item<double>()) < 1e-5);
        const double u = (read.mean[static_cast<std::size_t>(3 * c)] - 0.1) / 0.9;
        CHECK(-seen[c][1][2 * kept + 1].item<double>() ==
              Approx((u - 0.5) * std::sqrt(12.0)).margin(1e-4));
        // The residual over its own size.
        CHECK(seen[c].slice(1, kept, 2 * kept).square().mean().item<double>() ==
              Approx(1.0).margin(0.01));
    }
}

TEST_CASE("A model with a first look is one file, and the same once read back", "[first_look]") {
    const FirstModel first("first_look_test_file");
    const Model model = train(curves(2), first.options);
    const std::string path = first.folder.file("second.safetensors");
    save_model(model, path);
    std::filesystem::remove(first.options.first_look);
    const Model back = load_model(path);
    const Predictions a = model.predict(some(curves(1), 20), 20);
    const Predictions b = back.predict(some(curves(1), 20), 20);
    CHECK(a.mean == b.mean);
    CHECK(a.q95 == b.q95);
    CHECK(model.predict({}, 0).count == 0);
    const Predictions one = back.predict(some(curves(1), 1), 1, 0.0, 1);
    for (std::size_t k = 0; k < 3; ++k) {
        CHECK(one.mean[k] == Approx(a.mean[k]).epsilon(1e-3));
    }

    // Its slope is that of what it predicts.
    const std::vector<double> slope = back.gradient(some(curves(1), 1));
    REQUIRE(slope.size() == 3 * 2 * 471);
    std::vector<float> moved(some(curves(1), 1).begin(), some(curves(1), 1).end());
    std::vector<double> expected(3, 0.0);
    for (std::size_t t = 0; t < moved.size(); ++t) {
        const float step = 2e-5f * std::cos(0.02f * static_cast<float>(t));
        moved[t] += step;
        for (std::size_t k = 0; k < 3; ++k) {
            expected[k] += slope[k * moved.size() + t] * static_cast<double>(step);
        }
    }
    const Predictions after = back.predict(moved, 1, 0.0, 1);
    for (std::size_t k = 0; k < 3; ++k) {
        const double range = back.experiment().prior[k].high - back.experiment().prior[k].low;
        CHECK(after.mean[k] - one.mean[k] == Approx(expected[k]).margin(1e-4 * range).epsilon(0.2));
    }

    // Without a part of the first look it is no model.
    TensorFile file = read_tensor_file(path);
    file.tensors.erase("first_look.member0.estimate.weight");
    const std::string damaged = first.folder.file("damaged.safetensors");
    write_tensor_file(file, damaged);
    CHECK_THROWS_AS(load_model(damaged), nmrsim::InputError);
    file = read_tensor_file(path);
    std::erase_if(file.tensors, [](const auto& at) { return at.first.starts_with("first_look."); });
    std::erase_if(file.metadata,
                  [](const auto& at) { return at.first.starts_with("first_look."); });
    write_tensor_file(file, damaged);
    CHECK_THROWS_AS(load_model(damaged), nmrsim::InputError);
    // Looks do not nest.
    TrainingOptions again = first.options;
    again.first_look = path;
    CHECK_THROWS_AS(train(curves(1), again), std::invalid_argument);
}

TEST_CASE("A training with a first look that was stopped resumes", "[first_look]") {
    const FirstModel first("first_look_test_resume");
    TrainingOptions options = first.options;
    const auto predicted = [&](const Model& model) {
        return model.predict(some(curves(1), 20), 20).mean;
    };
    const std::vector<double> whole = predicted(train(curves(2), options));
    options.checkpoint = first.folder.file("checkpoint");
    train(curves(2), options, [](const TrainingProgress& now) { return now.epoch < 4; });
    REQUIRE(std::filesystem::exists(options.checkpoint));
    options.resume = true;
    CHECK(predicted(train(curves(2), options)) == whole);
    // Another first look is another training.
    TrainingOptions other = little_training();
    other.seed = 7;
    save_model(train(curves(1), other), options.first_look);
    CHECK_THROWS_AS(train(curves(2), options), nmrsim::InputError);
}

TEST_CASE("A first look may have learnt from curves that were simulated less finely",
          "[first_look]") {
    FirstModel first("first_look_test_finer");
    first.options.epochs = 1;
    nmrsim::Dataset finer = curves(2);
    nmrsim::Experiment experiment = drawn_echo();
    experiment.accuracy.tolerance = 3e-4;
    finer.experiment_toml = nmrsim::experiment_to_toml(experiment);
    const Model model = train(finer, first.options);
    CHECK(model.experiment().accuracy.tolerance == 3e-4);
}

TEST_CASE("A first look that cannot be is refused", "[first_look]") {
    const FirstModel first("first_look_test_refused");
    TrainingOptions noisy = first.options;
    noisy.noise_low = noisy.noise_high = 1e-3;
    CHECK_THROWS_AS(train(curves(2), noisy), std::invalid_argument);
    TrainingOptions turned = first.options;
    turned.receiver.phase_deg = 5.0;
    CHECK_THROWS_AS(train(curves(2), turned), std::invalid_argument);
    TrainingOptions missing = first.options;
    missing.first_look = first.folder.file("none.safetensors");
    CHECK_THROWS_AS(train(curves(2), missing), nmrsim::InputError);
    nmrsim::Experiment other = drawn_echo();
    other.prior[1].high = 120.0;
    const nmrsim::Dataset others = nmrsim::generate_dataset(other, 30, 1);
    CHECK_THROWS_AS(train(others, first.options), std::invalid_argument);
    CHECK_THROWS_WITH(train(others, first.options),
                      ContainsSubstring("[25.0, 125.0] there, [25.0, 120.0] here"));
    // No draw, no scatter to take off.
    const TestFolder folder("first_look_test_undrawn");
    TrainingOptions undrawn = small_training();
    save_model(train(linear_dataset(300, 0.02, 1), undrawn), folder.file("first.safetensors"));
    undrawn.first_look = folder.file("first.safetensors");
    CHECK_THROWS_AS(train(linear_dataset(300, 0.02, 2), undrawn), std::invalid_argument);
}
