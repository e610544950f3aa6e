/// Refuses what would take hours.
#pragma once

namespace nmrsim {

/// Throws std::invalid_argument where so many additions and multiplications take longer than
/// longest_curve_s().
void require_time(double flops);

}  // namespace nmrsim
