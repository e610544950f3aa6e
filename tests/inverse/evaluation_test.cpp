// Scores against numbers worked out by hand, from a model whose answer is known.
#include "nmrinverse/evaluation.h"

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "catch_compat.h"
#include "model/tensor_file.h"
#include "training_problem.h"

using namespace nmrinverse;

namespace {

/// A model that answers every curve with 30 kHz and 200 kHz and a normal distribution of standard
/// deviation 0.1 of the box about them.
Model constant_model(const TestFolder& folder) {
    const std::string path = folder.file("constant.safetensors");
    TrainingOptions options = small_training();
    options.epochs = 1;
    options.head = Head::gaussian;
    save_model(train(linear_dataset(100, 0.02, 1), options), path);
    TensorFile file = read_tensor_file(path);
    for (const char* name :
         {"member0.estimate.weight", "member0.marginals.weight", "member0.marginals.bias"}) {
        for (float& value : file.tensors[name].values) value = 0.0f;
    }
    const float log_sd = std::log(0.1f);
    file.tensors["member0.estimate.bias"].values = {0.3f, 0.5f, log_sd, log_sd};
    file.metadata["calibration"] =
        R"([{"sd_scale": 1.0, "sd_floor": 0.0, "by_noise": [1.0]},
            {"sd_scale": 1.0, "sd_floor": 0.0, "by_noise": [1.0]}])";
    write_tensor_file(file, path);
    return load_model(path);
}

/// Five curves with these unknowns.
nmrsim::Dataset five_curves() {
    nmrsim::Dataset data = linear_dataset(5, 0.02, 2);
    data.parameters = {30.0, 200.0, 34.0, 250.0, 20.0, 150.0, 45.0, 200.0, 71.0, 200.0};
    return data;
}

}  // namespace

TEST_CASE("Scores are what one works out by hand", "[evaluation]") {
    const TestFolder folder("evaluation_test");
    const Model model = constant_model(folder);
    const Evaluation evaluation = evaluate(model, five_curves());
    REQUIRE(evaluation.count == 5);
    REQUIRE(evaluation.scores.size() == 2);
    const UnknownScore& first = evaluation.scores[0];
    CHECK(first.name == "alpha_x_khz");
    CHECK(first.unit == "kHz");
    // Errors 0, 4, 10, 15, 41 kHz; true values of mean 40 and variance (100+36+400+25+961)/5 =
    // 304.4. Single precision holds 30 kHz to 2e-6.
    CHECK(first.mse == Approx((16.0 + 100.0 + 225.0 + 1681.0) / 5.0).epsilon(1e-6));
    CHECK(first.rmse == Approx(std::sqrt(404.4)).epsilon(1e-6));
    CHECK(first.median_error == Approx(10.0).epsilon(1e-6));
    CHECK(first.r2 == Approx(1.0 - 404.4 / 304.4).epsilon(1e-6));
    CHECK(first.coverage50 == Approx(0.4));  // within 6.7 kHz: 30 and 34
    CHECK(first.coverage90 == Approx(0.8));  // within 16.4 kHz: all but 71
    const UnknownScore& second = evaluation.scores[1];
    CHECK(second.mse == Approx(1000.0).epsilon(1e-6));
    CHECK(second.median_error < 1e-3);
    CHECK(second.r2 == Approx(0.0).margin(1e-6));
    CHECK(second.coverage50 == Approx(0.6));
    CHECK(second.coverage90 == Approx(0.6));
    // Cut at five standard deviations on each side, which takes nothing; moments are right to 1e-3.
    CHECK(evaluation.predictions.sd[1] == Approx(20.0).epsilon(2e-3));
    CHECK(evaluation.predictions.q95[1] == Approx(200.0 + 20.0 * 1.6448536).epsilon(1e-5));

    const std::string table = evaluation_table(evaluation);
    CHECK(table.find("alpha_x_khz") != std::string::npos);
    CHECK(table.find("404.4") != std::string::npos);
    CHECK(table.find("coverage90") != std::string::npos);
    const nlohmann::json json =
        nlohmann::json::parse(evaluation_json(evaluation, model.experiment()));
    CHECK(json["experiment"] == "small");
    CHECK(json["unknowns"][0]["mse"].get<double>() == Approx(404.4).epsilon(1e-6));
    CHECK(json["unknowns"][1]["name"] == "alpha_z_khz");
    // No challenge, no posterior: thirds are all that can be said.
    CHECK_FALSE(json.contains("challenge"));
    CHECK_FALSE(json["diagnostics"].contains("tarp"));
    CHECK(json["diagnostics"]["coverage_in_thirds"].size() == 8);

    Evaluation more = evaluation;
    PosteriorArrays posterior;
    posterior.transforms.assign(10, 0.25);
    posterior.log_density.assign(5, -2.0);
    for (int i = 0; i < 80; ++i) posterior.samples.push_back(i);
    add_posterior(more, posterior, five_curves());
    const nlohmann::json full = nlohmann::json::parse(evaluation_json(more, model.experiment()));
    CHECK(full["diagnostics"]["calibration"][1]["name"] == "alpha_z_khz");
    CHECK(full["diagnostics"]["calibration"][0]["coverage"].size() == 19);
    CHECK(full["diagnostics"]["tarp"]["local"]["level"].size() == 51);
    CHECK(full["diagnostics"]["log_density"]["mean"].get<double>() == Approx(-2.0));
    // A posterior that excludes a true value: no number of JSON, and no null either.
    more.posterior.log_density[3] = -std::numeric_limits<double>::infinity();
    const nlohmann::json excluded =
        nlohmann::json::parse(evaluation_json(more, model.experiment()));
    CHECK(excluded["diagnostics"]["log_density"]["mean"] == "-inf");
    CHECK(excluded["diagnostics"]["information"]["mean"] == "-inf");
}

TEST_CASE("Data of another kind than the model's are refused", "[evaluation]") {
    const TestFolder folder("evaluation_test_refused");
    const Model model = constant_model(folder);
    nmrsim::Dataset data = five_curves();
    data.parameters.clear();
    CHECK_THROWS_WITH(evaluate(model, data), ContainsSubstring("parameters must be known"));
    data = five_curves();
    data.unknowns[1].name = "xi";
    CHECK_THROWS_WITH(evaluate(model, data), ContainsSubstring("must be alpha_z_khz, got xi"));
    data = five_curves();
    data.unknowns.pop_back();
    CHECK_THROWS_WITH(evaluate(model, data), ContainsSubstring("2 unknowns, got 1"));
    data = five_curves();
    data.time_us[3] += 0.5;
    CHECK_THROWS_WITH(evaluate(model, data), ContainsSubstring("time 3"));
    data = five_curves();
    data.time_us.pop_back();
    CHECK_THROWS_WITH(evaluate(model, data), ContainsSubstring("64 points, got 63"));
}
