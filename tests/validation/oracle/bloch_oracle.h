/// The Bloch equations in their plainest form, solved by Boost.Odeint: an independent answer.
///
/// Of the library only descriptions are used, the structs of nmrsim/experiment.h and what they
/// hold. The line's quadrature, the draws of offsets, the kernels, pulses, relaxation, the order of
/// events, phase cycles and the receiver are the oracle's own, after docs/theory.md and
/// docs/formats.md.
#pragma once

#include "nmrsim/experiment.h"
#include "nmrsim/signal.h"

namespace oracle {

struct Precision {
    double step = 1e-12;      ///< error of each step, absolute and relative
    double refinement = 1.0;  ///< of the line's nodes; 1: some 14 digits
};

/// dm_i/dt = m_i x B_i - relaxation for every spin, fields as direct sums over all pairs, by Runge,
/// Kutta and Fehlberg's method of order 7 (8) with its step controlled; as the receiver reads it.
///
/// With Frame::laboratory the equations are those of the laboratory's own axes, the Larmor
/// precession included, and the signal is turned back at the end. Otherwise the coupling is
/// (alpha_x + alpha_y)/2 in the plane: the first order of the Magnus expansion, whatever order the
/// experiment asks for.
nmrsim::Signal solve(const nmrsim::Experiment& experiment, const Precision& precision = {});

/// What solve() will cost, about [s of one core].
double cost_s(const nmrsim::Experiment& experiment);

}  // namespace oracle
