#include <filesystem>

#include "nmrinverse/curves.h"
#include "nmrinverse/training_files.h"
#include "nmrsim/experiment_file.h"
#include "nmrsim/experiment_match.h"

namespace nmrinverse {

nmrsim::Dataset LabelledCurves::whole() const {
    return at_hand ? *at_hand : reader->rows(0, reader->count());
}

LabelledCurves open_training_files(const std::vector<std::string>& paths,
                                   const nmrsim::Experiment& experiment) {
    LabelledCurves data;
    if (paths.size() == 1 && std::filesystem::is_directory(paths.front())) {
        data.at_hand = read_labelled(paths.front(), experiment);
        return data;
    }
    data.reader.emplace(paths);
    nmrsim::check_same_experiment(
        paths.front(),
        nmrsim::parse_experiment(data.reader->description().experiment_toml, paths.front()),
        experiment, true);
    return data;
}

}  // namespace nmrinverse
