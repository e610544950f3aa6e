/// Tangents of curves against differences of them.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include "catch_compat.h"
#include "nmrsim/parameters.h"
#include "nmrsim/sensitivity.h"
#include "nmrsim/simulate.h"

/// A tangent over Mx, My and Mz: its largest value, and its largest difference from a central
/// difference of the curve.
struct TangentError {
    double largest = 0.0;
    double error = 0.0;

    double relative() const { return error / largest; }
};

/// Order of a central difference: 4 from steps h and 2 h, 6 from h / 2 besides.
enum class DifferenceOrder { fourth, sixth };

/// Args: at: the curve with the parameter changed by this much.
///       counts: whether the sample at this time [us] does.
template <class At, class Counts>
TangentError tangent_error(const nmrsim::SignalJacobian& jacobian, std::size_t p, double h,
                           const At& at, DifferenceOrder order, const Counts& counts) {
    using nmrsim::Signal;
    const Signal a = at(h), b = at(-h), c = at(2.0 * h), d = at(-2.0 * h);
    const bool sixth = order == DifferenceOrder::sixth;
    const Signal a2 = sixth ? at(0.5 * h) : Signal(), b2 = sixth ? at(-0.5 * h) : Signal();
    TangentError result;
    for (std::size_t k = 0; k < a.points(); ++k) {
        if (!counts(a.time_us[k])) continue;
        const auto compare = [&](double tangent, const std::vector<double> Signal::*m) {
            double slope = (8.0 * ((a.*m)[k] - (b.*m)[k]) - ((c.*m)[k] - (d.*m)[k])) / (12.0 * h);
            if (sixth) {
                const double narrow =
                    (8.0 * ((a2.*m)[k] - (b2.*m)[k]) - ((a.*m)[k] - (b.*m)[k])) / (6.0 * h);
                slope = (16.0 * narrow - slope) / 15.0;
            }
            result.largest = std::max(result.largest, std::abs(tangent));
            // Not a number counts as the largest.
            const double off = std::abs(tangent - slope);
            if (!(off <= result.error)) result.error = off;
        };
        compare(jacobian.dmx[p][k], &Signal::mx);
        compare(jacobian.dmy[p][k], &Signal::my);
        compare(jacobian.dmz[p][k], &Signal::mz);
    }
    return result;
}

template <class At>
TangentError tangent_error(const nmrsim::SignalJacobian& jacobian, std::size_t p, double h,
                           const At& at, DifferenceOrder order = DifferenceOrder::fourth) {
    return tangent_error(jacobian, p, h, at, order, [](double) { return true; });
}

/// The curve of an experiment, by this function of it, with a parameter changed by this much.
template <class Simulate>
auto curve_changed(const nmrsim::Experiment& experiment, const std::string& name,
                   const Simulate& simulated) {
    return [&experiment, &row = nmrsim::parameter(name), simulated](double change) {
        nmrsim::Experiment other = experiment;
        row.set(other, row.get(experiment) + change);
        return simulated(other);
    };
}

inline auto curve_changed(const nmrsim::Experiment& experiment, const std::string& name) {
    return curve_changed(experiment, name,
                         [](const nmrsim::Experiment& e) { return nmrsim::simulate(e); });
}

/// Checks all tangents of a curve against differences of fourth order.
///
/// Args: step: by a parameter's name, small enough for the difference's error.
template <class Step>
void check_tangents(const nmrsim::Experiment& experiment, const nmrsim::SignalJacobian& jacobian,
                    const Step& step) {
    for (std::size_t p = 0; p < jacobian.parameters.size(); ++p) {
        const std::string& name = jacobian.parameters[p];
        const auto [largest, error] =
            tangent_error(jacobian, p, step(name), curve_changed(experiment, name));
        INFO(name << ": largest derivative " << largest << ", error " << error);
        CHECK(largest > 1e-4);
        CHECK(error < 1e-7 * largest);
    }
}
