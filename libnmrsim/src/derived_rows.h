/// Which plain row a derived one stands for.
#pragma once

#include <string_view>

namespace nmrsim {

/// "alpha_x_khz" for "summed_khz", "xi" for "summed_by_xi_khz", "gamma3_per_s" for "d", "stop_us"
/// for "dwell_us"; any other name itself.
std::string_view plain_row(std::string_view name);

}  // namespace nmrsim
