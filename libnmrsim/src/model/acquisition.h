/// When samples are taken, from windows that count from the sequence, a pulse or an echo.
#pragma once

#include <string_view>
#include <vector>

#include "nmrsim/experiment.h"

namespace nmrsim {

/// "start", "pulse", "echo": the origins as files and sequences name them.
const std::vector<std::string>& time_origin_names();

/// The windows of an acquisition, of which most have one.
std::vector<AcquisitionWindow> windows_of(const Acquisition& acquisition);

/// Throws std::invalid_argument that names the key, the inequality and the value.
void validate_acquisition(const Experiment& experiment);

}  // namespace nmrsim
