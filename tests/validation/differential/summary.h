/// What the outcomes come to.
#pragma once

#include <string>
#include <vector>

#include "judge.h"

namespace differential {

/// Markdown: a row for each simulator's path and one for all.
std::string summary_table(const std::vector<Outcome>& outcomes);

/// The bounds that are not kept, a line each; empty: all are.
///
/// Beyond the tolerance: 1%. Beyond twice the tolerance, crashed, out of time: none. Above the
/// estimate: 0.1%, rounded down. Refused or not told by the oracle: 1%, or the test says little.
std::vector<std::string> broken_bounds(const std::vector<Outcome>& outcomes);

}  // namespace differential
