/// The Bloch equations in their plainest form, solved by Boost.Odeint: an independent answer.
///
/// Of the library only descriptions are used: the experiment, kernel_table, line_quadrature and
/// draw_offsets_hz.
#pragma once

#include "nmrsim/experiment.h"
#include "nmrsim/signal.h"

namespace validation {

/// dm_i/dt = m_i x B_i - relaxation for every spin, fields as direct sums over all pairs, by
/// Runge, Kutta and Fehlberg's method of order 7 (8) with its step controlled.
///
/// With Frame::laboratory the equations are those of the laboratory's own axes, the Larmor
/// precession included, and the signal is turned back at the end.
///
/// Args: tolerance: absolute and relative, of each step. nodes: of the line, uniform kernel.
nmrsim::Signal solve_bloch(const nmrsim::Experiment& experiment, double tolerance, int nodes);

}  // namespace validation
