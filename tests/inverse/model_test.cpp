// Models: a file gives back the same predictions bit for bit; bad curves and bad files are refused.
#include "nmrinverse/model.h"

#include <cmath>
#include <limits>

#include "catch_compat.h"
#include "model/tensor_file.h"
#include "nmrinverse/refine.h"
#include "nmrsim/errors.h"
#include "training_problem.h"

using namespace nmrinverse;

namespace {

Model small_model(double noise_low = 0.0, double noise_high = 0.0) {
    TrainingOptions options = small_training();
    options.noise_low = noise_low;
    options.noise_high = noise_high;
    return train(linear_dataset(1000, 0.02, 1), options);
}

}  // namespace

TEST_CASE("A model that was saved and loaded predicts the same bits", "[model]") {
    const TestFolder folder("model_test_roundtrip");
    const std::string path = folder.file("m.safetensors");
    const Model model = small_model(0.01, 0.1);
    save_model(model, path);
    const Model loaded = load_model(path);
    const nmrsim::Dataset test = linear_dataset(100, 0.02, 2);
    const Predictions before = model.predict(test.signal, 100, 0.03);
    const Predictions after = loaded.predict(test.signal, 100, 0.03);
    CHECK(before.mean == after.mean);
    CHECK(before.sd == after.sd);
    CHECK(before.q05 == after.q05);
    CHECK(before.q95 == after.q95);
    CHECK(loaded.record().curves_seen == model.record().curves_seen);
    CHECK(loaded.record().held_out_mse == model.record().held_out_mse);
    CHECK(nmrsim::experiment_to_toml(loaded.experiment()) ==
          nmrsim::experiment_to_toml(model.experiment()));
}

TEST_CASE("A curve's estimate does not depend on its company or the number of threads", "[model]") {
    const Model model = small_model();
    const nmrsim::Dataset test = linear_dataset(700, 0.02, 2);
    const Predictions all = model.predict(test.signal, 700, 0.0, 2);
    for (const std::size_t i :
         {std::size_t{0}, std::size_t{511}, std::size_t{512}, std::size_t{699}}) {
        const Predictions one =
            model.predict(std::span(test.signal).subspan(i * 128, 128), 1, 0.0, 1);
        for (std::size_t k = 0; k < 2; ++k) {
            // Single-precision sums in another order, on unknowns of a few hundred.
            CHECK(std::abs(one.mean[k] - all.mean[2 * i + k]) < 1e-2);
        }
    }
    CHECK(model.predict({}, 0).count == 0);
}

TEST_CASE("Curves that cannot be read are refused", "[model]") {
    const Model model = small_model();
    nmrsim::Dataset test = linear_dataset(3, 0.02, 2);
    CHECK_THROWS_WITH(model.predict(test.signal, 2), ContainsSubstring("2 curves x 2 x 64 points"));
    CHECK_THROWS_WITH(model.predict(test.signal, 3, -1.0), ContainsSubstring("noise must be >= 0"));
    test.signal[128 + 64 + 7] = std::numeric_limits<float>::infinity();
    CHECK_THROWS_WITH(model.predict(test.signal, 3), ContainsSubstring("curve 1, My, point 7"));
    // Absurd but finite numbers give an answer inside the box.
    std::vector<float> huge(128, 1e30f);
    const Predictions answer = model.predict(huge, 1);
    CHECK(answer.mean[0] >= 0.0);
    CHECK(answer.mean[0] <= 100.0);
    CHECK(std::isfinite(answer.sd[0]));
}

TEST_CASE("Noise that is not told is estimated, and more than the model knows is refused",
          "[model]") {
    const Model model = small_model(0.01, 0.1);
    const nmrsim::Dataset test = linear_dataset(20, 0.03, 2);
    std::vector<double> estimated;
    for (std::size_t c = 0; c < 20; ++c) {
        estimated.push_back(estimated_noise(std::span(test.signal).subspan(c * 128, 128)));
    }
    const Predictions told = model.posterior(test.signal, 20, estimated).summary();
    const Predictions untold = model.predict(test.signal, 20);
    CHECK(untold.mean == told.mean);
    CHECK(untold.sd == told.sd);
    // The lowest level that was trained is another answer.
    CHECK(untold.sd != model.predict(test.signal, 20, 0.0).sd);
    const auto one = std::span(test.signal).first(128);
    CHECK(model.gradient(one) == model.gradient(one, estimated[0]));

    CHECK_NOTHROW(model.predict(test.signal, 20, 0.104));
    CHECK_THROWS_WITH(model.predict(test.signal, 20, 0.11),
                      ContainsSubstring("noise of curve 0 is 0.11, the model was trained on at "
                                        "most 0.1"));
    estimated[7] = 0.2;
    CHECK_THROWS_WITH(model.posterior(test.signal, 20, estimated), ContainsSubstring("curve 7"));
    const nmrsim::Dataset noisy = linear_dataset(20, 0.3, 2);
    CHECK_THROWS_WITH(model.predict(noisy.signal, 20), ContainsSubstring("by the scatter"));
    CHECK_NOTHROW(model.predict(noisy.signal, 20, model.largest_noise()));
    // A model of curves as they are has no use for a level, but knows that it is none.
    const Model plain = small_model();
    CHECK_NOTHROW(plain.predict(test.signal, 20));
    CHECK_THROWS_WITH(plain.predict(test.signal, 20, 0.03), ContainsSubstring("at most 0"));
}

TEST_CASE("Files that are no model, or a damaged one, are refused by name", "[model]") {
    const TestFolder folder("model_test_damaged");
    const std::string path = folder.file("m.safetensors");
    save_model(small_model(), path);
    const TensorFile good = read_tensor_file(path);
    const auto refused = [&](auto change, const char* message) {
        TensorFile file = good;
        change(file);
        write_tensor_file(file, path);
        INFO(message);
        CHECK_THROWS_AS(load_model(path), nmrsim::InputError);
        CHECK_THROWS_WITH(load_model(path), ContainsSubstring("m.safetensors: "));
        CHECK_THROWS_WITH(load_model(path), ContainsSubstring(message));
    };
    refused([](TensorFile& f) { f.metadata.erase("format"); }, "lacks format");
    refused([](TensorFile& f) { f.metadata["format"] = "pt"; }, "expected the format");
    refused([](TensorFile& f) { f.metadata["format_version"] = "1"; }, "format version");
    refused([](TensorFile& f) { f.metadata["features"] = "{}"; }, "features");
    refused([](TensorFile& f) { f.metadata["network"] = "[]"; }, "network");
    refused([](TensorFile& f) { f.metadata["record"] = "{}"; }, "record");
    refused([](TensorFile& f) { f.metadata["calibration"] = "[]"; }, "calibration");
    refused([](TensorFile& f) { f.metadata["experiment"] = "x = ["; }, "experiment");
    refused([](TensorFile& f) { f.tensors.erase("member0.embedding.norm.bias"); },
            "norm.bias is missing");
    refused([](TensorFile& f) { f.tensors["extra"] = {{1}, {0.0f}}; }, "expected 27 tensors");
    refused(
        [](TensorFile& f) {
            f.tensors["member0.embedding.norm.bias"].shape = {4, 8};
        },
        "expected the shape [32]");
    CHECK_THROWS_AS(load_model(folder.file("none.safetensors")), nmrsim::InputError);
    CHECK_THROWS_AS(load_model(folder.path.string()), nmrsim::InputError);
}
