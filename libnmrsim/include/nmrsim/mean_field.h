/// What a drawn echo keeps to itself once its mean field and its draw are taken off.
///
/// Spins on a lattice turn in the field of their neighbours. Were each to see the mean of all, the
/// field would be the summed coupling times M(t), which the curve itself has measured: no equation
/// of motion needs solving for it, and the response of each offset follows by one turn a step.
/// Whatever offsets were drawn, M(t) is then linear in their distribution, whose scatter about the
/// line is known; the part of the curve that a scatter can make is taken off by least squares. What
/// is left tells how far the spins' fields are not the mean: of the range of the coupling. See
/// docs/theory.md.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "nmrsim/experiment.h"

namespace nmrsim {

/// What the mean field's motion depends on.
struct MeanField {
    double summed_khz = 0.0;        ///< alpha_x times the sum of the kernel as it acts [kHz]
    double transverse_per_s = 0.0;  ///< 1/T2 [1/s], >= 0
};

/// That of the experiment with its unknowns set to `values`, (unknowns). One that is given the
/// summed coupling itself is not asked for the xi that makes it.
///
/// Throws: std::invalid_argument as with_parameters() does.
MeanField mean_field(const Experiment& experiment, std::span<const double> values);

/// Those of many curves; what is common to them is asked once.
///
/// Args: values: (count, unknowns), at least one unknown.
std::vector<MeanField> mean_fields(const Experiment& experiment, std::span<const double> values);

class MeanFieldResidual {
public:
    /// Root of the ridge: how much of a sample the residual may be without any scatter [units of
    /// M]. Half a permille of the largest signal: what the range of a coupling does to a curve.
    static constexpr double kFloor = 3e-4;

    /// Throws: std::invalid_argument that says why, unless the experiment is a Hahn echo of drawn
    /// offsets with ideal pulses, the second of 180 degrees, its times among the samples, which
    /// start with the sequence; coupled in plane alone, alpha_x = alpha_y; without gamma1, gamma2,
    /// phase cycle, dead time, and gain or receiver phase; and none of what that asks for unknown.
    explicit MeanFieldResidual(const Experiment& experiment, double floor = kFloor);
    ~MeanFieldResidual();
    MeanFieldResidual(MeanFieldResidual&&) noexcept;
    MeanFieldResidual& operator=(MeanFieldResidual&&) noexcept;

    /// Samples of a residual: every step()-th of the curve, the first one first, as many as the
    /// line's cut needs.
    int samples() const;
    int step() const;

    /// The residuals of `count` curves, in single precision: of some hundred spins the scatter is
    /// so much larger than the floor that they round to some percent.
    ///
    /// Args: signal: (count, 2, points), Mx and My. fields: (count), those of each curve, as well
    /// as they are known. residual: receives (count, 2, samples). threads: 0 for all cores.
    /// Throws: std::invalid_argument for sizes that do not match, a signal that is not finite, or
    /// fields so large that a spin turns by a radian and more between samples.
    void compute(std::span<const float> signal, std::span<const MeanField> fields,
                 std::span<float> residual, int threads = 0) const;

private:
    struct State;
    std::unique_ptr<const State> state_;
};

}  // namespace nmrsim
