/// Pictures of simulated curves.
#pragma once

#include <string>
#include <vector>

#include "nmrinverse/report.h"
#include "nmrsim/signal.h"
#include "nmrsim/sweep.h"

namespace nmrinverse {

/// |M|, Mx, My and Mz against time.
Figure curve_figure(const std::string& title, const nmrsim::Signal& signal);

/// |M| of each curve of a sweep, labelled by its value.
Figure sweep_figure(const std::string& title, const nmrsim::SweepRange& range,
                    const std::vector<nmrsim::Signal>& curves);

}  // namespace nmrinverse
