// Models that were written once and kept stay readable, and read a curve as they did then.
#include <cmath>
#include <span>
#include <string>
#include <vector>

#include "catch_compat.h"
#include "nmrinverse/model.h"

using namespace nmrinverse;

namespace {

void check_estimates(const Predictions& found, std::span<const double> mean,
                     std::span<const double> sd) {
    REQUIRE(found.mean.size() == mean.size());
    for (std::size_t k = 0; k < mean.size(); ++k) {
        // Single precision through a few layers: sums in another order differ by some 1e-6.
        CHECK(found.mean[k] == Approx(mean[k]).epsilon(1e-4));
        CHECK(found.sd[k] == Approx(sd[k]).epsilon(3e-4));  // of four digits
    }
}

}  // namespace

TEST_CASE("a model file of version 2 is read, and estimates what it did", "[model]") {
    const Model model = load_model(std::string(NMRSIM_GOLDEN) + "/model-2.safetensors");
    CHECK(model.experiment().name == "golden");
    REQUIRE(model.experiment().prior.size() == 3);
    CHECK(model.record().head == "gaussian");
    CHECK(model.record().curves_seen > 0);
    std::vector<float> signal;
    for (int k = 0; k < 64; ++k) signal.push_back(static_cast<float>(0.25 * std::cos(0.3 * k)));
    for (int k = 0; k < 64; ++k) signal.push_back(static_cast<float>(0.25 * std::sin(0.3 * k)));
    check_estimates(model.predict(signal, 1), std::vector{82.92028, 146.8052, 53.77983},
                    std::vector{42.76, 83.54, 22.88});
}

TEST_CASE("so is one of version 2 with gates and a first look", "[model]") {
    const Model model = load_model(std::string(NMRSIM_GOLDEN) + "/model-2-first-look.safetensors");
    CHECK(model.experiment().name == "golden-drawn");
    // A free decay and an echo of a line 25 kHz wide, every 0.5 us.
    std::vector<float> signal;
    for (const double turn : {0.1, -0.4}) {
        for (int k = 0; k < 301; ++k) {
            const double from_pulse = k < 100 ? k : std::abs(k - 200);
            signal.push_back(static_cast<float>(turn * std::exp(-0.08 * from_pulse)));
        }
    }
    check_estimates(model.predict(signal, 1), std::vector{0.6805271, 40.48755, 7172.920},
                    std::vector{0.1714, 7.953, 2953.0});
}
