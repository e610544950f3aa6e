// A challenge folder: echos_r.txt, echos_i.txt and mat_info.txt, apart by zero bytes. The first
// byte chooses the experiment.
#include "fuzz.h"
#include "nmrsim/challenge_files.h"
#include "nmrsim/experiment_file.h"

namespace {

nmrsim::Experiment shortened(const char* name) {
    nmrsim::Experiment experiment = nmrsim::load_experiment(name);
    experiment.acquisition.points = 3;
    return experiment;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const nmrsim::Experiment experiments[] = {
        shortened("challenge-2020"), shortened("challenge-2021"),
        shortened("challenge-2024-gaussian"), shortened("summed-kernel")};
    if (size == 0) return 0;
    const nmrsim::Experiment& experiment = experiments[data[0] % std::size(experiments)];
    const char* names[] = {"echos_r.txt", "echos_i.txt", "mat_info.txt"};
    for (const char* name : names) std::filesystem::remove(fuzz::folder() / name);
    const auto parts = fuzz::parts(fuzz::text_of(data, size).substr(1), 3);
    for (std::size_t i = 0; i < parts.size(); ++i) fuzz::write_file(names[i], parts[i]);
    fuzz::answers([&] {
        const nmrsim::Dataset set = nmrsim::read_challenge(fuzz::folder().string(), experiment);
        fuzz::require(set.count() > 0 && set.points() == 3 && fuzz::finite(set.signal) &&
                          fuzz::finite(set.parameters),
                      "a challenge has curves of finite numbers");
        fuzz::require(set.parameters.empty() ||
                          set.parameters.size() == set.count() * experiment.prior.size(),
                      "a challenge has its unknowns");
    });
    return 0;
}
