/// An experiment: everything that one simulation needs, as plain numbers.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "nmrsim/coupling.h"
#include "nmrsim/lattice.h"
#include "nmrsim/line.h"
#include "nmrsim/phase_cycle.h"
#include "nmrsim/prior.h"
#include "nmrsim/relaxation.h"
#include "nmrsim/sequence.h"

namespace nmrsim {

/// When the magnetization is sampled, and how the receiver reads it: `points` times, evenly from
/// start to stop, both included.
struct Acquisition {
    double start_us = 0.0;   ///< first sample, from the start of the sequence [us], >= 0
    double stop_us = 150.0;  ///< last sample [us], > start_us (= start_us for a single point)
    int points = 500;        ///< >= 1
    /// Standard deviation of the Gaussian noise on each of Mx and My, in units of M, that data sets
    /// and training add, >= 0; simulate() adds none.
    double noise = 0.0;
    /// The receiver's phase [degree]: M+ = Mx + i My reads exp(+i phase) M+. Mz is the spins' own.
    double receiver_phase_deg = 0.0;
    double gain = 1.0;  ///< M+ reads gain times as large, > 0
    /// The receiver reads 0 during a pulse and for this long after its end [us], >= 0; 0: it is
    /// always on.
    double dead_time_us = 0.0;
};

/// Arithmetic of the inner loops.
enum class Precision { automatic, single, double_ };

/// Whether the counter-rotating coupling is averaged or stepped through in time, which takes some
/// 30 steps a Larmor period.
enum class Frame { rotating, laboratory };

/// Bloch vector of every spin before the first pulse, |m| <= 1/2.
struct StartState {
    double mx = 0.0;
    double my = 0.0;
    double mz = 0.5;

    void validate() const;
};

/// How exactly to compute. What is left empty is chosen for the tolerance.
struct Accuracy {
    /// Largest error of M over the window that is aimed at, as a share of the curve's largest |M|
    /// there, in (0, 1).
    double tolerance = 1e-4;
    std::optional<int> nodes;               ///< nodes of the line's quadrature, uniform kernel
    std::optional<double> steps_per_point;  ///< time steps a sample, may be below 1
    /// Order of the Magnus expansion, 1 to 3, that averages the counter-rotating coupling (alpha_x
    /// - alpha_y) / 2 over the Larmor frequency; see docs/theory.md. Without that coupling all
    /// orders are the same.
    int magnus_order = 1;
    Frame frame = Frame::rotating;
    Precision precision = Precision::automatic;
};

/// A column of a challenge's mat_info.txt: parameter times scale.
struct ChallengeColumn {
    std::string name;       ///< as the challenge calls it
    std::string parameter;  ///< a row of the parameter table
    double scale = 1.0;     ///< value in the file = parameter * scale
};

/// What a challenge divides an estimate's error by before it squares and sums.
enum class ScoreScale {
    none,     ///< there is no score
    range,    ///< the column's range over the prior
    variance  ///< the standard deviation of the column's true values
};

/// A challenge's score: sum over `curves` curves and all columns of (error / scale)^2; a set of
/// another size is scaled to so many.
struct ChallengeScore {
    ScoreScale scale = ScoreScale::none;
    int curves = 1000;  ///< >= 1
};

/// A plain description; computes nothing.
struct Experiment {
    std::string name = "unnamed";
    Interaction interaction;
    Lattice lattice;  ///< not used by the uniform kernel
    Line line;
    Relaxation relaxation;
    StartState start;
    Sequence sequence;
    PhaseCycle phase_cycle;
    Acquisition acquisition;
    Accuracy accuracy;
    Prior prior;                             ///< the unknowns, in order
    std::vector<ChallengeColumn> challenge;  ///< columns of mat_info.txt; the prior's where empty
    ChallengeScore score;

    /// Throws std::invalid_argument that names the key, the inequality and the value.
    void validate() const;
};

/// Times of the samples [us], (points).
std::vector<double> acquisition_times_us(const Acquisition& acquisition);

/// Whether the coupling is the uniform kernel, which needs no lattice.
bool is_uniform(const Experiment& experiment);

}  // namespace nmrsim
