// The oracle's curve, for tests/soak.sh: reference_curve EXPERIMENT STEP_US NODES KEY=VALUE...
#include <cstdio>
#include <cstdlib>
#include <exception>

#include "nmrsim/curve_file.h"
#include "nmrsim/experiment_file.h"
#include "nmrsim/reference_simulator.h"

int main(int count, char** arguments) {
    if (count < 4) {
        std::fprintf(stderr, "reference_curve EXPERIMENT STEP_US NODES KEY=VALUE...\n");
        return 2;
    }
    try {
        nmrsim::Experiment experiment = nmrsim::load_experiment(arguments[1]);
        for (int i = 4; i < count; ++i) nmrsim::apply_setting(experiment, arguments[i]);
        const nmrsim::Signal signal = nmrsim::simulate_reference(
            experiment, std::strtod(arguments[2], nullptr), std::atoi(arguments[3]));
        std::fputs(nmrsim::curve_to_csv(signal).c_str(), stdout);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "reference_curve: %s\n", error.what());
        return 1;
    }
}
