/// How long the general simulator's steps are.
#pragma once

#include "general/ensemble_inputs.h"

namespace nmrsim {

/// How steps are made.
struct StepMethod {
    bool eighth = false;  ///< EnsembleSteps::advance_eighth(), not advance()
    int order = 4;
    /// First guess: so many turns of the typical spin, or of the fastest, a step at a tolerance of
    /// 1e-4 [rad]. A second answer corrects it; most curves need one.
    double first_turn = 0.5;
    double largest_turn = 2.5;  ///< of any spin [rad]
    /// What the better answer's error is at most, as a share of the two answers' difference: 1/15
    /// and 1/255 where steps are short enough for the order to tell. Of 611 random curves at eighth
    /// order 3 were above 1/15, since the coarse answer agreed by accident.
    double share = 1.0 / 3.0;
};

/// Offsets are turned exactly: the series of the turn stays short.
inline constexpr StepMethod kFourth;
/// It is stable up to 3.8 rad or so, and the spins' own field may turn with them; answers of steps
/// of 1.5 rad and half of that may still agree by chance.
inline constexpr StepMethod kEighth = {true, 8, 1.4, 1.0, 1.0 / 12.0};

/// How fast things change, from which follows how long steps are [rad/us].
struct EnsembleRates {
    double typical = 0.0;     ///< of the typical spin, without a drive and the others' field
    double fastest = 0.0;     ///< that a spin can turn and relax, without these two
    double coupling = 0.0;    ///< that a field w of length 1 turns spins by
    double most_field = 0.0;  ///< largest |w| that there can be, a number
    double carrier = 0.0;     ///< what turns at twice the Larmor frequency and is stepped
};

/// Args: by_counter: whether a derivative is asked for that the counter-rotating coupling has.
EnsembleRates ensemble_rates(const Experiment& experiment, const EnsembleInputs<double>& inputs,
                             bool by_counter = false);

/// Steps are at most longest_us() long, and each of these may be cut into `parts`.
struct StepSize {
    StepMethod method = kFourth;
    double turn = kFourth.first_turn;  ///< in a step, as method.first_turn [rad]
    int parts = 1;
    double forced_us = 0.0;  ///< where above 0: so long, whatever the rates are [us]

    /// What the better answer's error is at most, as a share of the two answers' difference.
    double share() const;

    /// Args: field: the largest |w| now. drive: of a finite pulse [rad/us]. last_us: what is given
    /// where nothing moves at all.
    double longest_us(const EnsembleRates& rates, double field, double drive, double last_us) const;
};

/// Where refining starts, by the cheaper method.
StepSize first_step_size(const Experiment& experiment, const EnsembleInputs<double>& inputs,
                         const EnsembleRates& rates);

/// Steps of one answer, about, and at most.
double most_steps(const Experiment& experiment, const EnsembleInputs<double>& inputs,
                  const EnsembleRates& rates, const StepSize& size);

/// Additions and multiplications of a spin's step.
double flops_of_step(const EnsembleInputs<double>& inputs, const StepMethod& method);

}  // namespace nmrsim
