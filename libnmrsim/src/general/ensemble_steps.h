/// Steps of the general simulator: fields at any time, the turn they make, pulses and the averaged
/// counter-rotating coupling.
#pragma once

#include <vector>

#include "general/ensemble_field.h"

namespace nmrsim {

/// Degree at which the series of exp(x) is exact to rounding, x >= 0.
int bloch_degree(double x);

/// How the counter-rotating coupling is treated.
enum class CounterRotating { averaged, stepped };

/// State and buffers of one curve.
template <class Scalar>
class EnsembleSteps {
public:
    /// Keeps a reference to `inputs`.
    ///
    /// Args: order: of the Magnus expansion, 1 to 3. threads: for ensembles that are large enough;
    /// the result does not depend on it.
    EnsembleSteps(const EnsembleInputs<Scalar>& inputs, const Lattice& lattice,
                  CounterRotating treatment, int order, int threads = 1);

    /// A turn of all spins that takes no time, U = exp(+i flip (Ix cos phase + Iy sin phase)).
    void pulse(const Scalar& flip, const Scalar& phase);

    /// The field of a finite pulse [rad/us]; both 0 for none.
    void set_drive(const Scalar& x, const Scalar& y);

    /// One step from `time`, both [us]: commutator-free Lie-group method of fourth order, 4 fields.
    /// Source: E. Celledoni, A. Marthinsen, B. Owren, Future Gener. Comput. Syst. 19, 341 (2003).
    void advance(const Scalar& time, const Scalar& length);

    /// One step by an explicit Runge-Kutta method of eighth order, 11 fields (cooper_verner.h): far
    /// longer ones at the same error where the fields change as fast as the spins turn, but no spin
    /// may turn by more than some radian.
    void advance_eighth(const Scalar& time, const Scalar& length);

    /// Averaging leaves a slow state; the spins' own one, with the motion at twice the Larmor
    /// frequency, is `to_fast` of it. No change in order 1, or without such a coupling.
    void to_fast(const Scalar& time) { kick(time, 1.0); }
    void to_slow(const Scalar& time) { kick(time, -1.0); }

    Vec3<Scalar> mean() const { return weighted_mean(inputs_.weight, spins); }
    /// Largest |w| of any spin.
    double largest_field() { return field_.largest(spins); }
    bool averages_beyond_first() const { return order_ > 1; }

    SpinVectors<Scalar> spins;

private:
    void field(const Scalar& time, const SpinVectors<Scalar>& m, SpinVectors<Scalar>& b);
    void add_second_order(const SpinVectors<Scalar>& m, SpinVectors<Scalar>& b);
    void add_third_order(const SpinVectors<Scalar>& m, SpinVectors<Scalar>& b);
    void kick(const Scalar& time, double sign);
    void kick_field(const Scalar& time, double sign, const SpinVectors<Scalar>& m,
                    SpinVectors<Scalar>& g);

    const EnsembleInputs<Scalar>& inputs_;
    EnsembleField<Scalar> field_;
    CounterRotating treatment_;
    int threads_;
    int order_;
    Scalar drive_x_ = 0.0;
    Scalar drive_y_ = 0.0;
    std::vector<SpinVectors<Scalar>> slopes_;  ///< (stages)
    SpinVectors<Scalar> w_, turn_, b1_, b2_, b3_, b4_, m2_, m3_;
};

}  // namespace nmrsim
