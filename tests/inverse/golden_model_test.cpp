// A model that was written once and kept stays readable, and reads a curve as it did then.
#include <cmath>
#include <string>
#include <vector>

#include "catch_compat.h"
#include "nmrinverse/model.h"

using namespace nmrinverse;

TEST_CASE("a model file of version 2 is read, and estimates what it did", "[model]") {
    const Model model = load_model(std::string(NMRSIM_GOLDEN) + "/model-2.safetensors");
    CHECK(model.experiment().name == "golden");
    REQUIRE(model.experiment().prior.size() == 3);
    CHECK(model.record().head == "gaussian");
    CHECK(model.record().curves_seen > 0);
    std::vector<float> signal;
    for (int k = 0; k < 64; ++k) signal.push_back(static_cast<float>(0.25 * std::cos(0.3 * k)));
    for (int k = 0; k < 64; ++k) signal.push_back(static_cast<float>(0.25 * std::sin(0.3 * k)));
    const Predictions found = model.predict(signal, 1);
    const double mean[] = {82.92028, 146.8052, 53.77983};
    const double sd[] = {42.76, 83.54, 22.88};
    for (std::size_t k = 0; k < 3; ++k) {
        // Single precision through a few layers: sums in another order differ by some 1e-6.
        CHECK(found.mean[k] == Approx(mean[k]).epsilon(1e-4));
        CHECK(found.sd[k] == Approx(sd[k]).epsilon(3e-4));  // of four digits
    }
}
