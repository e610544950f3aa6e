/// Pictures of simulated curves.
#pragma once

#include <string>
#include <vector>

#include "nmrinverse/report.h"
#include "nmrsim/experiment.h"
#include "nmrsim/signal.h"
#include "nmrsim/sweep.h"

namespace nmrinverse {

/// |M|, Mx, My and Mz against time.
Figure curve_figure(const std::string& title, const nmrsim::Signal& signal);

/// The same of the experiment's curve; of a series, |M| of each record against its own time.
Figure curve_figure(const nmrsim::Experiment& experiment, const nmrsim::Signal& signal);

/// |M| of each curve of a sweep, labelled by its value.
Figure sweep_figure(const std::string& title, const nmrsim::SweepRange& range,
                    const std::vector<nmrsim::Signal>& curves);

}  // namespace nmrinverse
