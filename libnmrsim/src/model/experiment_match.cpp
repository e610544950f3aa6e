#include "nmrsim/experiment_match.h"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>
#include <vector>

#include "nmrsim/errors.h"
#include "nmrsim/experiment_file.h"

namespace nmrsim {
namespace {

/// "table.key = value" for each line of the experiment's TOML, without what may differ; its
/// unknowns set to `values`.
std::vector<std::string> comparable_lines(Experiment experiment,
                                          const std::vector<double>& values) {
    experiment = with_parameters(experiment, values);
    experiment.name = "any";
    experiment.lattice.seed = 1;
    experiment.acquisition.noise = 0.0;
    experiment.accuracy = {};
    experiment.challenge.clear();
    experiment.score = {};

    std::vector<std::string> lines;
    std::string table;
    std::istringstream text(experiment_to_toml(experiment));
    for (std::string line; std::getline(text, line);) {
        if (line.empty() || line.front() == '#') continue;
        if (line.front() == '[') {
            table = line.substr(1, line.find(']') - 1) + ".";
            continue;
        }
        lines.push_back(table + line);
    }
    return lines;
}

std::string value_of(const std::vector<std::string>& lines, const std::string& key) {
    for (const std::string& line : lines) {
        if (line.substr(0, line.find(" =")) == key) return line.substr(line.find('=') + 2);
    }
    return "nothing";
}

}  // namespace

std::string experiment_difference(const Experiment& there, const Experiment& here,
                                  bool with_prior) {
    const auto names = [](const Experiment& experiment) {
        std::string text;
        for (const PriorRange& range : experiment.prior) {
            text += (text.empty() ? "" : ", ") + range.name;
        }
        return text.empty() ? std::string("none") : text;
    };
    if (names(there) != names(here)) {
        return fmt::format("unknowns {} there, {} here", names(there), names(here));
    }
    Experiment aligned = there;
    if (!with_prior) aligned.prior = here.prior;
    std::vector<double> values;
    for (const PriorRange& range : here.prior) {
        values.push_back(0.5 * (range.low + range.high));
    }
    const std::vector<std::string> a = comparable_lines(aligned, values);
    const std::vector<std::string> b = comparable_lines(here, values);
    for (const std::string& line : a) {
        if (std::find(b.begin(), b.end(), line) != b.end()) continue;
        const std::string key = line.substr(0, line.find(" ="));
        return fmt::format("{} = {} there, {} here", key, value_of(a, key), value_of(b, key));
    }
    for (const std::string& line : b) {
        if (std::find(a.begin(), a.end(), line) != a.end()) continue;
        const std::string key = line.substr(0, line.find(" ="));
        return fmt::format("{} = nothing there, {} here", key, value_of(b, key));
    }
    return "";
}

void check_same_experiment(const std::string& path, const Experiment& there, const Experiment& here,
                           bool with_prior) {
    const std::string difference = experiment_difference(there, here, with_prior);
    if (!difference.empty()) {
        throw InputError(fmt::format("{}: made for another experiment: {}", path, difference));
    }
}

}  // namespace nmrsim
