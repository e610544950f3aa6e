// Drawn echoes less their mean field and their draw.

#include "nmrsim/mean_field.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "catch_compat.h"
#include "nmrsim/dataset.h"
#include "nmrsim/experiment_file.h"
#include "nmrsim/line.h"
#include "nmrsim/simulate.h"
#include "nmrsim/units.h"

using namespace nmrsim;

namespace {

/// A short echo of drawn offsets whose field is the mean, each spin's the same.
Experiment all_alike() {
    Experiment e = load_experiment("challenge-2024-gaussian");
    e.prior.clear();
    e.challenge.clear();
    e.interaction.kernel = UniformKernel{};
    e.interaction.alpha_x_khz = 70.0;
    e.relaxation.gamma3_per_s = 6000.0;
    e.line.spins = 3000;
    e.lattice.seed = 5;
    e.accuracy.tolerance = 1e-6;
    return e;
}

std::vector<float> curve_of(const Experiment& experiment) {
    const Signal m = simulate(experiment);
    std::vector<float> curve(m.mx.begin(), m.mx.end());
    curve.insert(curve.end(), m.my.begin(), m.my.end());
    return curve;
}

std::vector<float> residual_of(const MeanFieldResidual& reading, const std::vector<float>& curve,
                               const MeanField& field) {
    std::vector<float> residual(2 * static_cast<std::size_t>(reading.samples()));
    reading.compute(curve, std::vector<MeanField>{field}, residual, 1);
    return residual;
}

double size_of(const std::vector<float>& numbers) {
    double sum = 0.0;
    for (const float x : numbers) sum += static_cast<double>(x) * static_cast<double>(x);
    return std::sqrt(sum / static_cast<double>(numbers.size()));
}

double curve_at(const std::vector<float>& curve, std::size_t part, int sample) {
    return static_cast<double>(curve[part * (curve.size() / 2) + static_cast<std::size_t>(sample)]);
}

/// The same in plain words: each offset turned by matrices in double precision, and the least
/// squares by a dense solver.
Eigen::VectorXd by_matrices(const Experiment& e, const std::vector<float>& curve,
                            const MeanField& field, int every, double floor) {
    using Eigen::Matrix3d, Eigen::Vector3d;
    const auto& echo = std::get<HahnEcho>(e.sequence.program);
    const int points = e.acquisition.points;
    const double step = e.acquisition.stop_us / (points - 1) * kSecondsPerUs;
    const int pulse = static_cast<int>(std::lround(echo.tau_us * kSecondsPerUs / step));
    const LineQuadrature line = line_quadrature(e.line, 400);
    const auto turn = [](double angle, const Vector3d& axis) {  // as dm/dt = m x B does
        return Matrix3d(Eigen::AngleAxisd(-angle, axis.normalized()));
    };
    const auto pulse_turn = [&](double flip_deg, double phase_deg) {
        const double phase = phase_deg * kRadiansPerDegree;
        return turn(flip_deg * kRadiansPerDegree, {std::cos(phase), std::sin(phase), 0.0});
    };
    const Matrix3d second = pulse_turn(echo.flip_deg * echo.refocus_ratio, echo.refocus_phase_deg);
    // M between the samples first and last, its own value `end` at the last: cubic.
    const auto middle = [&](std::size_t part, int i, int first, int last, double end) {
        const auto at = [&](int j) { return j == last ? end : curve_at(curve, part, j); };
        if (i == first) return (3.0 * at(i) + 6.0 * at(i + 1) - at(i + 2)) / 8.0;
        if (i + 1 == last) return (3.0 * at(last) + 6.0 * at(i) - at(i - 1)) / 8.0;
        return (9.0 * (at(i) + at(i + 1)) - at(i - 1) - at(i + 2)) / 16.0;
    };
    const Vector3d turned(curve_at(curve, 0, pulse), curve_at(curve, 1, pulse), 0.0);
    const Vector3d before = second.transpose() * turned;
    const double coupling = kTwoPi * kHzPerKhz * field.summed_khz;
    const double decay = std::exp(-0.5 * field.transverse_per_s * step);
    const int kept = (points - 1) / every + 1;
    const auto nodes = static_cast<Eigen::Index>(line.weight.size());
    Eigen::MatrixXd change(2 * kept, nodes);
    double total = 0.0;
    for (const double w : line.weight) total += w;
    for (Eigen::Index k = 0; k < nodes; ++k) {
        Vector3d m = pulse_turn(echo.flip_deg, echo.flip_phase_deg) * Vector3d(0.0, 0.0, 0.5);
        for (int i = 0; i < points; ++i) {
            if (i == pulse) m = second * m;
            if (i % every == 0) {
                change(i / every, k) = m.x();
                change(kept + i / every, k) = m.y();
            }
            if (i + 1 == points) break;
            const bool early = i < pulse;
            const int first = early ? 0 : pulse, last = early ? pulse : points - 1;
            Vector3d b(0.0, 0.0, kTwoPi * line.offset_hz[static_cast<std::size_t>(k)]);
            for (std::size_t part = 0; part < 2; ++part) {
                const double end = early ? before[static_cast<Eigen::Index>(part)]
                                         : curve_at(curve, part, points - 1);
                b[static_cast<Eigen::Index>(part)] = coupling * middle(part, i, first, last, end);
            }
            m.head<2>() *= decay;
            m = turn(b.norm() * step, b) * m;
            m.head<2>() *= decay;
        }
    }
    Eigen::VectorXd weight(nodes);
    for (Eigen::Index k = 0; k < nodes; ++k) {
        weight[k] = line.weight[static_cast<std::size_t>(k)] / total;
    }
    const Eigen::VectorXd mean = change * weight;
    Eigen::VectorXd off(2 * kept);
    for (int i = 0; i < kept; ++i) {
        off[i] = curve_at(curve, 0, i * every) - mean[i];
        off[kept + i] = curve_at(curve, 1, i * every) - mean[kept + i];
    }
    change.colwise() -= mean;
    const Eigen::MatrixXd covariance =
        change * (weight / e.line.spins).asDiagonal() * change.transpose() +
        floor * floor * Eigen::MatrixXd::Identity(2 * kept, 2 * kept);
    return floor * floor * covariance.ldlt().solve(off);
}

}  // namespace

TEST_CASE("the residual is that of matrices in double precision") {
    const Experiment e = all_alike();
    const std::vector<float> curve = curve_of(e);
    const MeanFieldResidual reading(e);
    CHECK(reading.step() == 4);
    CHECK(reading.samples() == 118);
    // A coupling that is off leaves something to compare.
    const MeanField field{55.0, 4000.0};
    const std::vector<float> residual = residual_of(reading, curve, field);
    const Eigen::VectorXd expected =
        by_matrices(e, curve, field, reading.step(), MeanFieldResidual::kFloor);
    double largest = 0.0, error = 0.0;
    for (std::size_t i = 0; i < residual.size(); ++i) {
        const double exact = expected[static_cast<Eigen::Index>(i)];
        largest = std::max(largest, std::abs(exact));
        error = std::max(error, std::abs(static_cast<double>(residual[i]) - exact));
    }
    CHECK(largest > 3e-3);
    CHECK(error < 3e-5);
}

TEST_CASE("where the field is the mean, nothing is left but at a wrong coupling") {
    const Experiment e = all_alike();
    const std::vector<float> curve = curve_of(e);
    const MeanFieldResidual reading(e);
    const MeanField truth = mean_field(e, {});
    CHECK(truth.summed_khz == 70.0);
    CHECK(truth.transverse_per_s == 3000.0);
    const double at_truth = size_of(residual_of(reading, curve, truth));
    CHECK(at_truth < 5e-5);  // the curve's own scatter is 4e-3
    CHECK(size_of(residual_of(reading, curve, {66.0, 3000.0})) > 10.0 * at_truth);
    CHECK(size_of(residual_of(reading, curve, {70.0, 4500.0})) > 10.0 * at_truth);
}

TEST_CASE("the shorter the coupling's range, the more is left") {
    Experiment e = load_experiment("challenge-2024-gaussian");
    e.accuracy.tolerance = 1e-4;
    e.lattice.nx = e.lattice.ny = 48;
    const MeanFieldResidual reading(e);
    double before = 0.0;
    for (const double alpha_khz : {0.1, 0.3, 0.9}) {
        const std::vector<double> values = {alpha_khz, 60.0, 5000.0};
        const MeanField field = mean_field(e, values);
        CHECK(field.summed_khz == 60.0);
        CHECK(field.transverse_per_s == 2500.0);
        const double left =
            size_of(residual_of(reading, curve_of(with_parameters(e, values)), field));
        CHECK(left > 1.3 * before);
        before = left;
    }
}

TEST_CASE("the summed coupling has the kernel's sign, and is the sum where it is not given") {
    const Experiment rkky = load_experiment("challenge-2024-rkky");
    CHECK(mean_field(rkky, std::vector<double>{0.5, 80.0, 1000.0}).summed_khz == -80.0);
    Experiment e = load_experiment("challenge-2024-gaussian");
    e.prior = {{"alpha_x_khz", 0.1, 1.0}, {"xi", 2.0, 9.0}};
    const Experiment drawn = with_parameters(e, std::vector<double>{0.25, 4.0});
    CHECK(mean_field(e, std::vector<double>{0.25, 4.0}).summed_khz ==
          Approx(0.25 * kernel_sum(drawn.interaction, drawn.lattice)));
    CHECK_THROWS_AS(mean_field(rkky, std::vector<double>{0.5, 80.0}), std::invalid_argument);
}

TEST_CASE("many curves are each their own, on any number of threads") {
    const Experiment e = all_alike();
    const MeanFieldResidual reading(e);
    std::vector<float> curves;
    std::vector<MeanField> fields;
    for (int i = 0; i < 20; ++i) {
        Experiment one = e;
        one.lattice.seed = static_cast<std::uint64_t>(i);
        one.line.spins = 100;
        one.accuracy.tolerance = 1e-3;
        const std::vector<float> curve = curve_of(one);
        curves.insert(curves.end(), curve.begin(), curve.end());
        fields.push_back({60.0 + i, 100.0 * i});
    }
    const std::size_t row = 2 * static_cast<std::size_t>(reading.samples());
    std::vector<float> one(20 * row), three(20 * row);
    reading.compute(curves, fields, one, 1);
    reading.compute(curves, fields, three, 3);
    CHECK(one == three);
    const std::size_t length = curves.size() / 20;
    for (const std::size_t c : {std::size_t{0}, std::size_t{13}}) {
        const std::vector<float> alone =
            residual_of(reading,
                        {curves.begin() + static_cast<long>(c * length),
                         curves.begin() + static_cast<long>((c + 1) * length)},
                        fields[c]);
        CHECK(std::equal(alone.begin(), alone.end(), one.begin() + static_cast<long>(c * row)));
    }
}

TEST_CASE("curves that are none leave numbers") {
    const Experiment e = all_alike();
    const MeanFieldResidual reading(e);
    for (const float value : {0.0f, 1e30f, -3e38f}) {
        const std::vector<float> curve(2 * 471, value);
        for (const float left : residual_of(reading, curve, {70.0, 3000.0})) {
            REQUIRE(std::isfinite(left));
        }
    }
}

TEST_CASE("what it cannot read is refused") {
    const auto refused = [](const std::function<void(Experiment&)>& change) {
        Experiment e = all_alike();
        change(e);
        CHECK_THROWS_AS(MeanFieldResidual(e), std::invalid_argument);
    };
    refused([](Experiment& e) { e.line.spins = 0; });
    refused([](Experiment& e) { e.interaction.alpha_z_khz = 1.0; });
    refused([](Experiment& e) { e.interaction.alpha_y_khz = 2.0; });
    refused([](Experiment& e) { e.relaxation.gamma1_per_s = 1.0; });
    refused([](Experiment& e) { e.acquisition.gain = 2.0; });
    refused([](Experiment& e) { e.acquisition.start_us = 1.0; });
    refused([](Experiment& e) { e.acquisition.points = 100; });
    refused([](Experiment& e) { std::get<HahnEcho>(e.sequence.program).refocus_ratio = 1.5; });
    refused([](Experiment& e) { std::get<HahnEcho>(e.sequence.program).tau_us += 0.1; });
    refused([](Experiment& e) { std::get<HahnEcho>(e.sequence.program).tau_us = 0.3; });
    refused([](Experiment& e) { e.prior = {{"flip_deg", 80.0, 100.0}}; });
    refused([](Experiment& e) { e.sequence.program = std::vector<Event>{Pulse{}, Delay{50.0}}; });
    CHECK_THROWS_AS(MeanFieldResidual(all_alike(), 0.0), std::invalid_argument);

    const MeanFieldResidual reading(all_alike());
    std::vector<float> curve(2 * 471, 0.1f);
    CHECK_THROWS_AS(residual_of(reading, curve, {1e9, 0.0}), std::invalid_argument);
    CHECK_THROWS_AS(residual_of(reading, curve, {std::nan(""), 0.0}), std::invalid_argument);
    CHECK_THROWS_AS(residual_of(reading, curve, {1.0, -1.0}), std::invalid_argument);
    curve[7] = std::numeric_limits<float>::infinity();
    CHECK_THROWS_AS(residual_of(reading, curve, {1.0, 0.0}), std::invalid_argument);
    curve.pop_back();
    CHECK_THROWS_AS(residual_of(reading, curve, {1.0, 0.0}), std::invalid_argument);
}
