// An experiment in TOML, then settings as of --set, apart by zero bytes.
#include "fuzz.h"
#include "nmrsim/experiment_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto parts = fuzz::parts(fuzz::text_of(data, size), 8);
    nmrsim::Experiment experiment;
    const bool read =
        fuzz::answers([&] { experiment = nmrsim::parse_experiment(parts.front(), "input.toml"); });
    for (std::size_t i = 1; i < parts.size(); ++i) {
        fuzz::answers([&] { nmrsim::apply_setting(experiment, parts[i]); });
    }
    const bool valid = fuzz::answers([&] { experiment.validate(); }, true);
    if (read && parts.size() == 1) fuzz::require(valid, "what is parsed is valid");
    if (!valid) return 0;
    // What is written reads back as the same.
    const std::string text = nmrsim::experiment_to_toml(experiment);
    const std::string again =
        nmrsim::experiment_to_toml(nmrsim::parse_experiment(text, "written.toml"));
    fuzz::require(text == again, "an experiment reads back as it was written");
    return 0;
}
