/// The line as the oracle integrates and draws from it: rules and inversions of its own.
#pragma once

#include <span>
#include <vector>

#include "nmrsim/line.h"

namespace oracle {

/// Nodes and weights of the integral over the line. Both (nodes).
struct LineRule {
    std::vector<double> offset_khz;  ///< from the line's centre [kHz]
    std::vector<double> weight;      ///< sum to the line's weight inside its cut
};

/// Gauss and Legendre's rule on [-1, 1]. Both (n).
struct GaussRule {
    std::vector<double> node;
    std::vector<double> weight;
};

const GaussRule& gauss_rule(int n);

/// Composite Gauss-Legendre, panels by the line's own scale (by a table's points), in each as many
/// nodes as the phase 2 pi delta t of `longest_us` needs for some 14 digits, times `refinement`.
LineRule line_rule(const nmrsim::Line& line, double longest_us, double refinement);

/// How many nodes line_rule() takes.
double line_rule_nodes(const nmrsim::Line& line, double longest_us);

/// Share of the whole line that lies inside the cut; 1 where the line is renormalised.
double line_mass(const nmrsim::Line& line);

/// Offsets from the centre below which the shares `u` of the cut line lie [kHz].
std::vector<double> line_offsets_khz(const nmrsim::Line& line, std::span<const double> u);

}  // namespace oracle
