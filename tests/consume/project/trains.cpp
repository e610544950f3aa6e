// Trains a small model for a moment and asks it about a curve.

#include <cmath>
#include <cstdio>

#include "nmrinverse/nmrinverse.h"
#include "nmrsim/nmrsim.h"

int main() {
    nmrsim::Experiment experiment = nmrsim::load_experiment("challenge-2021");
    experiment.acquisition.points = 64;
    const nmrsim::Dataset data = nmrsim::generate_dataset(experiment, 64, 1);
    nmrinverse::TrainingOptions options;
    options.epochs = 1;
    options.batch = 16;
    const nmrinverse::Model model = nmrinverse::train(data, options);
    const nmrinverse::Predictions estimates = model.predict(data.signal, data.count());
    std::printf("alpha_x = %g kHz\n", estimates.mean.front());
    return estimates.unknowns == 3 && std::isfinite(estimates.mean.front()) ? 0 : 1;
}
