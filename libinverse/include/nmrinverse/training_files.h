/// Data sets to train on, from their files.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "nmrsim/dataset.h"
#include "nmrsim/dataset_reader.h"

namespace nmrinverse {

/// Curves with what made them: at hand, or read as they are used. One of the two is there.
struct LabelledCurves {
    std::optional<nmrsim::Dataset> at_hand;  ///< of a challenge's folder, which is read at once
    std::optional<nmrsim::DatasetReader> reader;

    nmrsim::Dataset whole() const;  ///< all of them, read
};

/// Opens data sets, manifests or one challenge folder with mat_info.txt, one after the other.
///
/// Args: paths: at least one. Throws: nmrsim::InputError for what cannot be read and curves of
/// another experiment.
LabelledCurves open_training_files(const std::vector<std::string>& paths,
                                   const nmrsim::Experiment& experiment);

}  // namespace nmrinverse
