/// Hahn echoes that tests simulate and change.
#pragma once

#include "nmrsim/experiment.h"

/// An echo of the uniform kernel with coupling along x and z, all else as by default.
inline nmrsim::Experiment hahn_echo(double alpha_x_khz, double alpha_z_khz,
                                    const nmrsim::HahnEcho& pulses,
                                    const nmrsim::Acquisition& acquisition,
                                    double tolerance = nmrsim::Accuracy().tolerance) {
    nmrsim::Experiment e;
    e.interaction.kernel = nmrsim::UniformKernel{};
    e.interaction.alpha_x_khz = alpha_x_khz;
    e.interaction.alpha_z_khz = alpha_z_khz;
    e.sequence.program = pulses;
    e.acquisition = acquisition;
    e.accuracy.tolerance = tolerance;
    return e;
}
