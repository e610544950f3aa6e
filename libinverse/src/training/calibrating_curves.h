/// Curves that a calibration is fitted on: none that chose anything else of the model.
#pragma once

#include <cstdint>
#include <string>

#include "nmrinverse/trainer.h"
#include "training/training_data.h"

namespace nmrinverse {

/// Without noise that is put on by the training, and without the receiver's freedom.
struct CalibratingCurves {
    TrainingCurves curves;
    std::string told;  ///< which they are, a few words
};

/// Of so many curves that are held out, those that calibrate; the others choose.
std::int64_t calibrating_among(std::int64_t held_out);

/// Whether fresh curves like those of the data set come cheaply: of the uniform kernel, nothing
/// drawn, its curves what the experiment gives for their parameters, with its noise on them, and
/// these spread as its prior is.
///
/// Args: some: the first curves of the set, some hundred.
bool can_be_made_anew(const nmrsim::Experiment& experiment, const nmrsim::Dataset& some,
                      int threads);

/// Fresh curves of the key space of training; of a timed training fewer, where they take more than
/// a twentieth of its time.
///
/// Args: experiment: its noise is put on the curves where the options have none.
CalibratingCurves fresh_curves(const nmrsim::Experiment& experiment, const Reduction& reduction,
                               const TrainingOptions& options, const TrainingPeers& peers,
                               int threads);

/// Parts held-out curves that lie in no order. Returns: those that calibrate.
CalibratingCurves taken_from(TrainingCurves& held_out);

}  // namespace nmrinverse
