#include "model/finite_numbers.h"

#include <fmt/format.h>

#include "model/dead_time.h"
#include "model/spin_groups.h"
#include "nmrsim/units.h"

namespace nmrsim {
namespace {

/// Beyond the tolerance, |M| may exceed what is possible by so much of it: float's rounding.
constexpr double kRounding = 1e-4;

/// |m| of any spin at any time: a spin neither grows beyond where it began nor beyond equilibrium.
double largest_possible(const Experiment& experiment) {
    const StartState& start = experiment.start;
    return std::max(std::hypot(start.mx, start.my, start.mz), largest_equilibrium_mz(experiment));
}

}  // namespace

bool is_forced(const Accuracy& accuracy) {
    return accuracy.nodes || accuracy.steps_per_point || accuracy.precision == Precision::single;
}

template <typename Real>
void require_possible(const Experiment& experiment, std::span<const Real> mx,
                      std::span<const Real> my, std::span<const Real> mz) {
    const double bound = largest_possible(experiment) *
                         (1.0 + kRounding + kFarAbove * experiment.accuracy.tolerance);
    const Real square = static_cast<Real>(bound * bound);
    Real largest = 0;
    for (std::size_t k = 0; k < mx.size(); ++k) {
        const Real z = mz.empty() ? Real(0) : mz[k];
        largest = std::max(largest, mx[k] * mx[k] + my[k] * my[k] + z * z);
    }
    if (largest <= square || !std::isfinite(largest)) return;
    const double magnitude = std::sqrt(static_cast<double>(largest));
    if (is_forced(experiment.accuracy)) {
        throw std::invalid_argument(fmt::format(
            "accuracy.nodes, accuracy.steps_per_point or accuracy.precision, as they are set, are "
            "too coarse for this experiment: |M| comes out as {:.3g}, at most {:.3g} is possible",
            magnitude, largest_possible(experiment)));
    }
    throw std::logic_error(fmt::format(
        "internal error: |M| comes out as {:.3g}, at most {:.3g} is possible; please report it "
        "with the experiment",
        magnitude, largest_possible(experiment)));
}

template void require_possible(const Experiment&, std::span<const float>, std::span<const float>,
                               std::span<const float>);
template void require_possible(const Experiment&, std::span<const double>, std::span<const double>,
                               std::span<const double>);

void require_right(const Experiment& experiment, const Signal& signal) {
    require_right(experiment, signal, experiment.accuracy.tolerance);
}

void require_right(const Experiment& experiment, const Signal& signal, double tolerance) {
    require_possible<double>(experiment, signal.mx, signal.my, signal.mz);
    if (is_forced(experiment.accuracy)) return;
    const double peak = heard_peak(experiment, signal);
    const double share = std::max(peak, kLeastShare * kSpinLength);
    if (signal.estimated_error * peak > kFarAbove * tolerance * share) {
        throw std::runtime_error(fmt::format(
            "the simulation cannot keep accuracy.tolerance = {:.3g}: its estimated error is {:.1e} "
            "of the largest |M|, which is {:.1e}",
            tolerance, signal.estimated_error, peak));
    }
}

}  // namespace nmrsim
