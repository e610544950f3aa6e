/// One draw through the library and through the oracle.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "random_experiment.h"

namespace differential {

/// How a draw ended.
enum class End {
    judged,      ///< compared
    unresolved,  ///< the oracle's own error is not well below the tolerance
    empty,       ///< nothing in the window, or less than the oracle can tell
    refused,     ///< the library threw
    stopped,     ///< took too long, and ended when it was asked to
    hung,        ///< took too long, and did not
    crashed
};

inline constexpr const char* kEndNames[] = {"judged",  "unresolved", "empty",  "refused",
                                            "stopped", "hung",       "crashed"};

/// Errors are shares of the largest |M| of the window; -1: not looked at.
struct Outcome {
    std::uint64_t index = 0;
    Kind kind = Kind::uniform;
    std::string path;
    End end = End::judged;
    double tolerance = 0.0;
    double peak = 0.0;       ///< largest |M| of the window as the receiver reads it
    double error = -1.0;     ///< of M
    double estimate = -1.0;  ///< the library's own
    double own = -1.0;       ///< of the oracle, where it was asked again
    double floor = 0.0;      ///< below which the oracle cannot tell
    double z_error = -1.0;   ///< of Mz, as a share of its largest or of M's
    double batch = -1.0;     ///< of the batch's curve
    double slope = -1.0;     ///< of a derivative, as a share of its largest
    double library_s = 0.0;  ///< of simulate(), one core
    double oracle_s = 0.0;
    int passed_over = 0;  ///< draws that the oracle could not afford
    std::vector<std::string> complaints;

    bool beyond(double times) const { return end == End::judged && error > times * tolerance; }
    bool above_estimate() const {
        return end == End::judged && estimate >= 0.0 && error > estimate && error > 3.0 * floor;
    }
    bool batch_beyond(double times) const {
        return end == End::judged && batch > times * tolerance;
    }
    /// Derivatives have no promise of their own; what is this far off is wrong.
    bool slope_off() const;
    bool z_off() const;
    bool failed() const {
        return end != End::unresolved && end != End::empty && !complaints.empty();
    }
};

/// Compares. `in_library(true)` and `(false)` are called around every call of the library.
Outcome judge(const Draw& draw, const std::function<void(bool)>& in_library);

/// One line, without its end, and back.
std::string as_line(const Outcome& outcome);
Outcome from_line(const std::string& line);

}  // namespace differential
