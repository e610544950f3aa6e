// The general simulator against a plain Runge-Kutta solution of the Bloch equations, and what it
// refuses. Nothing but the experiment's description is shared.

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <variant>
#include <vector>

#include "catch_compat.h"
#include "model/finite_numbers.h"
#include "nmrsim/run_time.h"
#include "nmrsim/sensitivity.h"
#include "nmrsim/simulate.h"
#include "nmrsim/stop.h"
#include "nmrsim/units.h"

using namespace nmrsim;

namespace {

/// Bloch vectors, (nodes, 3).
using State = std::vector<double>;

/// A Lorentzian line under the uniform kernel with alpha_x = alpha_y, no relaxation.
class BlochEquations {
public:
    explicit BlochEquations(const Experiment& e) : experiment_(e) {
        // Gauss's five points in each of many even panels.
        const double node[] = {-0.9061798459386640, -0.5384693101056831, 0.0, 0.5384693101056831,
                               0.9061798459386640};
        const double weight[] = {0.2369268850561891, 0.4786286704993665, 0.5688888888888889,
                                 0.4786286704993665, 0.2369268850561891};
        constexpr int kPanels = 60;
        const double cut = e.line.cutoff_khz, width = e.line.half_width_khz;
        double total = 0.0;
        for (int p = 0; p < kPanels; ++p) {
            for (int k = 0; k < 5; ++k) {
                const double khz = cut * ((2.0 * p + 1.0 + node[k]) / kPanels - 1.0);
                offset_.push_back(kTurn * (khz + e.line.centre_khz));
                weight_.push_back(weight[k] / (khz * khz + width * width));
                total += weight_.back();
            }
        }
        for (double& w : weight_) w /= total;
    }

    Signal solve(double longest_us) {
        State m;
        for (std::size_t i = 0; i < offset_.size(); ++i) {
            m.insert(m.end(), {experiment_.start.mx, experiment_.start.my, experiment_.start.mz});
        }
        Signal signal;
        signal.time_us = acquisition_times_us(experiment_);
        double now = 0.0;
        const auto advance = [&](double to) {
            const int steps = std::max(1, static_cast<int>(std::ceil((to - now) / longest_us)));
            for (int k = 0; k < steps && to > now; ++k) step(m, (to - now) / steps);
            now = to;
        };
        const auto sample = [&](double until) {
            while (signal.mx.size() < signal.time_us.size() &&
                   signal.time_us[signal.mx.size()] < until) {
                advance(signal.time_us[signal.mx.size()]);
                double mean[3] = {};
                for (std::size_t i = 0; i < offset_.size(); ++i) {
                    for (std::size_t k = 0; k < 3; ++k) mean[k] += weight_[i] * m[3 * i + k];
                }
                signal.mx.push_back(mean[0]);
                signal.my.push_back(mean[1]);
                signal.mz.push_back(mean[2]);
            }
        };
        for (const Event& event : sequence_events(experiment_.sequence)) {
            drive_x_ = drive_y_ = 0.0;
            double length = 0.0;
            if (const auto* pulse = std::get_if<Pulse>(&event)) {
                // Ideal pulses as very short ones.
                length = pulse->duration_us > 0.0 ? pulse->duration_us : 1e-7;
                const double rate = pulse->flip_deg * kRadiansPerDegree / length;
                drive_x_ = rate * std::cos(pulse->phase_deg * kRadiansPerDegree);
                drive_y_ = rate * std::sin(pulse->phase_deg * kRadiansPerDegree);
                if (length < longest_us) {
                    for (int k = 0; k < 200; ++k) step(m, length / 200);
                    if (pulse->duration_us > 0.0) now += length;
                    continue;
                }
            } else {
                length = std::get<Delay>(event).duration_us;
            }
            const double end = now + length;
            sample(end - 1e-9);
            advance(end);
        }
        drive_x_ = drive_y_ = 0.0;
        sample(std::numeric_limits<double>::infinity());
        return signal;
    }

private:
    static constexpr double kTurn = kTwoPi * 1e-3;  // kHz in rad/us

    State rate(const State& m) const {
        double mean[3] = {};
        for (std::size_t i = 0; i < offset_.size(); ++i) {
            for (std::size_t k = 0; k < 3; ++k) mean[k] += weight_[i] * m[3 * i + k];
        }
        const double plane = kTurn * experiment_.interaction.alpha_x_khz;
        const double bx = plane * mean[0] + drive_x_, by = plane * mean[1] + drive_y_;
        State d(m.size());
        for (std::size_t i = 0; i < offset_.size(); ++i) {
            const double bz = offset_[i] + kTurn * experiment_.interaction.alpha_z_khz * mean[2];
            const double* s = &m[3 * i];
            d[3 * i] = s[1] * bz - s[2] * by;
            d[3 * i + 1] = s[2] * bx - s[0] * bz;
            d[3 * i + 2] = s[0] * by - s[1] * bx;
        }
        return d;
    }

    void step(State& m, double h) const {
        const auto moved = [&](const State& d, double by) {
            State to = m;
            for (std::size_t i = 0; i < m.size(); ++i) to[i] += by * d[i];
            return to;
        };
        const State a = rate(m), b = rate(moved(a, 0.5 * h)), c = rate(moved(b, 0.5 * h)),
                    d = rate(moved(c, h));
        for (std::size_t i = 0; i < m.size(); ++i) {
            m[i] += h / 6.0 * (a[i] + 2.0 * b[i] + 2.0 * c[i] + d[i]);
        }
    }

    const Experiment& experiment_;
    std::vector<double> offset_, weight_;
    double drive_x_ = 0.0, drive_y_ = 0.0;
};

Experiment pulsed(double flip_deg, double first_us, double second_us) {
    Experiment e;
    e.interaction.alpha_x_khz = 80.0;
    e.interaction.alpha_z_khz = 100.0;
    e.line.half_width_khz = 25.0;
    e.line.cutoff_khz = 100.0;
    e.sequence.program = std::vector<Event>{Pulse{flip_deg, 0.0, first_us}, Delay{10.0},
                                            Pulse{2.0 * flip_deg, 90.0, second_us}, Delay{15.0}};
    e.acquisition.start_us = 16.0;
    e.acquisition.stop_us = 25.0 + first_us + second_us;
    e.acquisition.points = 19;
    return e;
}

}  // namespace

TEST_CASE("The general simulator keeps its tolerance, a share of the echo, and its estimate") {
    Experiment e = pulsed(90.0, 1.0, 2.0);
    SECTION("a last delay that ends with the window") {}
    SECTION("the same off resonance") {
        e.line.centre_khz = 5.0;
    }
    SECTION("a last delay that goes on after it") {
        e.acquisition.stop_us = 24.0;
    }
    SECTION("small flips") {
        e = pulsed(5.0, 1.0, 2.0);
    }
    SECTION("smaller flips, ideal pulses") {
        e = pulsed(1.0, 0.0, 0.0);
        e.line.centre_khz = 1e-9;
    }
    SECTION("one sample after a long stretch") {
        e.acquisition.points = 1;
        e.acquisition.start_us = e.acquisition.stop_us;
    }
    SECTION("a pulse that is all but ideal") {
        e = pulsed(90.0, 1e-6, 2.0);
    }
    SECTION("strong coupling, another start") {
        e.interaction.alpha_x_khz = -400.0;
        e.start = {0.1, 0.2, 0.3};
    }
    for (const double tolerance : {1e-3, 1e-4, 1e-6}) {
        e.accuracy.tolerance = tolerance;
        const Signal exact = BlochEquations(e).solve(0.01);
        const Signal ours = simulate(e);
        const double error = largest_difference(exact, ours) / peak_magnitude(exact);
        // The plain solution is good to 1e-7 of a whole spin.
        const double plain = 1e-7 / peak_magnitude(exact);
        CAPTURE(tolerance, error, ours.estimated_error);
        CHECK(error < tolerance + plain);
        CHECK(error < ours.estimated_error + plain);
        CHECK(ours.estimated_error <= tolerance);
    }
}

TEST_CASE("What follows the last sample does not change the curve") {
    Experiment e = pulsed(90.0, 1.0, 2.0);
    e.line.centre_khz = 5.0;
    e.acquisition.stop_us = 26.5;
    const Signal as_it_is = simulate(e);
    auto& events = std::get<std::vector<Event>>(e.sequence.program);
    for (const double rest_us : {13.5, 15.0, 1e5}) {
        events.back() = Delay{rest_us};
        CHECK(largest_difference(simulate(e), as_it_is) <= 1e-4 * peak_magnitude(as_it_is));
    }
}

TEST_CASE("A derivative by alpha_y is that of alpha_y, also where it equals alpha_x") {
    Experiment e = pulsed(60.0, 0.0, 0.0);
    e.line.larmor_mhz = 0.5;
    e.accuracy.magnus_order = 2;
    e.accuracy.tolerance = 1e-8;
    SECTION("unset") {}
    SECTION("set") {
        e.interaction.alpha_y_khz = e.interaction.alpha_x_khz;
    }
    const std::vector<std::string> names = {"alpha_y_khz"};
    const SignalJacobian j = simulate_with_jacobian(e, names);
    const double step = 0.1, at = e.interaction.alpha_x_khz;
    e.interaction.alpha_y_khz = at + step;
    const Signal above = simulate(e);
    e.interaction.alpha_y_khz = at - step;
    const Signal below = simulate(e);
    double largest = 0.0, error = 0.0;
    for (std::size_t k = 0; k < above.points(); ++k) {
        largest = std::max(largest, std::abs(j.dmx[0][k]));
        error = std::max(error, std::abs(j.dmx[0][k] - (above.mx[k] - below.mx[k]) / (2.0 * step)));
    }
    CHECK(error < 1e-4 * largest);
}

TEST_CASE("Curves that cannot be are refused") {
    Experiment e = pulsed(90.0, 1.0, 2.0);
    Signal signal = simulate(e);
    CHECK_NOTHROW(require_right(e, signal));
    signal.my[3] = 0.6;
    CHECK_THROWS_AS(require_right(e, signal), std::logic_error);
    e.accuracy.nodes = 48;
    CHECK_THROWS_AS(require_right(e, signal), std::invalid_argument);
    e.accuracy.nodes.reset();
    signal.my[3] = 0.0;
    signal.estimated_error = 11.0 * e.accuracy.tolerance;
    CHECK_THROWS_AS(require_right(e, signal), std::runtime_error);
}

TEST_CASE("A curve that would take hours is refused unless it is asked for") {
    Experiment e = pulsed(90.0, 1.0, 2.0);
    const double before = longest_curve_s();
    set_longest_curve_s(1e-6);
    CHECK_THROWS_AS(simulate(e), std::invalid_argument);
    set_longest_curve_s(std::numeric_limits<double>::infinity());
    CHECK_NOTHROW(simulate(e));
    set_longest_curve_s(before);
    CHECK_THROWS_AS(set_longest_curve_s(0.0), std::invalid_argument);
}

TEST_CASE("A request to stop ends curves and batches with Stopped") {
    Experiment e = pulsed(90.0, 1.0, 2.0);
    e.prior = {{"alpha_x_khz", 20.0, 100.0}};
    const std::vector<double> values = {30.0, 60.0};
    std::vector<float> signal(2 * 2 * 19), jacobian(2 * 2 * 19);
    request_stop();
    CHECK_THROWS_AS(simulate(e), Stopped);
    CHECK_THROWS_AS(simulate_batch(e, values, {}, signal, 1), Stopped);
    CHECK_THROWS_AS(simulate_batch_with_jacobian(e, values, signal, jacobian, 1), Stopped);
    clear_stop();
    CHECK_NOTHROW(simulate_batch(e, values, {}, signal, 1));
}

TEST_CASE("Threads do not change what the general simulator gives") {
    Experiment e = pulsed(90.0, 1.0, 2.0);
    e.line.spins = 5000;
    e.acquisition.points = 3;
    e.acquisition.start_us = 0.0;
    e.acquisition.stop_us = 1.0;
    CHECK(largest_difference(simulate(e, 1), simulate(e, 3)) == 0.0);
}
