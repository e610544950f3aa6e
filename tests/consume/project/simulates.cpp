// Simulates a lattice echo and one of the uniform kernel, and reads both back from files.

#include <cmath>
#include <cstdio>

#include "nmrsim/nmrsim.h"

int main() {
    const nmrsim::Signal echo = nmrsim::simulate(nmrsim::load_experiment("published-echo"));
    const nmrsim::Experiment challenge = nmrsim::load_experiment("challenge-2021");
    const nmrsim::Dataset data = nmrsim::generate_dataset(challenge, 3, 1);
    nmrsim::write_dataset(data, "consumer.h5");
    const nmrsim::Dataset back = nmrsim::read_dataset("consumer.h5");
    std::remove("consumer.h5");
    // A 90 degree pulse along x puts the whole magnetization, 1/2, along y.
    if (std::abs(echo.my.front() - 0.5) > 1e-6 || back.signal != data.signal) return 1;
    std::printf("nmrsim %s: %zu points\n", nmrsim::kVersion, echo.points());
}
