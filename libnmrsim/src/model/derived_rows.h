/// Which plain row a derived one stands for, and what is between them.
#pragma once

#include <string_view>

namespace nmrsim {

struct Experiment;
struct Parameter;

/// "alpha_x_khz" for "summed_khz", "xi" for "summed_by_xi_khz", "gamma3_per_s" for "d",
/// "refocus_ratio" for "refocus_deg", "stop_us" for "dwell_us"; any other name itself.
std::string_view plain_row(std::string_view name);

/// Throws: std::invalid_argument where set_parameter() does.
void require_in_bounds(const Experiment& experiment, const Parameter& row, double value);

/// Gives a row another value, without a check of bounds; unknowns of the prior that derived rows
/// say in terms of it (summed_khz of xi) stay as they are.
void shift_row(Experiment& experiment, const Parameter& row, double value);

/// Sum of the kernel as it acts, with its sign: 1 where each spin couples to a mean. The summed
/// rows are its size times alpha_x.
double signed_kernel_sum(const Experiment& experiment);

}  // namespace nmrsim
