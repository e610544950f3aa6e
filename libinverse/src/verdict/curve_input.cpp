// Curves out of files.
#include <fmt/format.h>

#include <array>
#include <filesystem>
#include <fstream>

#include "nmrinverse/curves.h"
#include "nmrsim/challenge_files.h"
#include "nmrsim/dataset_file.h"
#include "nmrsim/errors.h"
#include "nmrsim/experiment_file.h"
#include "nmrsim/experiment_match.h"

namespace nmrinverse {
namespace {

namespace fs = std::filesystem;

bool is_hdf5(const std::string& path) {
    // What was read of a pipe is gone.
    if (!fs::is_regular_file(path)) return false;
    std::ifstream file(path, std::ios::binary);
    std::array<char, 4> magic = {};
    file.read(magic.data(), magic.size());
    const std::string extension = fs::path(path).extension().string();
    return magic == std::array<char, 4>{'\x89', 'H', 'D', 'F'} || extension == ".h5" ||
           extension == ".hdf5";
}

void require(const std::string& path) {
    if (!fs::exists(path)) throw nmrsim::InputError(path + ": no such file or folder");
}

nmrsim::Dataset read_matching_dataset(const std::string& path, nmrsim::Experiment experiment) {
    nmrsim::Dataset data = nmrsim::read_dataset(path);
    // Times are judged apart: another sampling of the same experiment can be interpolated.
    nmrsim::Experiment there = nmrsim::parse_experiment(data.experiment_toml, path);
    experiment.acquisition = there.acquisition;
    nmrsim::check_same_experiment(path, there, experiment, false);
    return data;
}

}  // namespace

InputCurves read_curves(const std::string& input, const nmrsim::Experiment& experiment,
                        const nmrsim::CurveFormat& format) {
    InputCurves result;
    result.name = input;
    const auto take = [&](nmrsim::Dataset&& data) {
        for (std::size_t i = 0; i < data.count(); ++i) {
            result.names.push_back(fmt::format("{}#{}", input, i));
        }
        result.curves = {std::move(data.time_us), std::move(data.signal), "times of the data set"};
    };
    const bool array = !nmrsim::hdf5_place(input).name.empty();
    if (!array) require(input);
    if (!array && fs::is_directory(input)) {
        take(nmrsim::read_challenge(input, experiment));
    } else if (!array && is_hdf5(input)) {
        nmrsim::Dataset data = read_matching_dataset(input, experiment);
        result.noise = nmrsim::parse_experiment(data.experiment_toml, input).acquisition.noise;
        take(std::move(data));
    } else {
        result.curves = nmrsim::read_measured_curves(input, format);
        result.derived = true;
        const std::size_t count = result.curves.count();
        for (std::size_t i = 0; i < count; ++i) {
            result.names.push_back(count == 1 ? input : fmt::format("{}#{}", input, i));
        }
    }
    return result;
}

nmrsim::Dataset read_labelled(const std::string& input, const nmrsim::Experiment& experiment) {
    require(input);
    nmrsim::Dataset data;
    if (fs::is_directory(input)) {
        data = nmrsim::read_challenge(input, experiment);
        if (data.parameters.empty()) {
            throw nmrsim::InputError(input +
                                     "/mat_info.txt: no such file; expected the parameters");
        }
    } else {
        data = nmrsim::read_dataset(input);
        nmrsim::check_same_experiment(input, nmrsim::parse_experiment(data.experiment_toml, input),
                                      experiment, false);
    }
    return data;
}

}  // namespace nmrinverse
