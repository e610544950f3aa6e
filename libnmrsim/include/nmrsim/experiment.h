/// An experiment: everything that one simulation needs, as plain numbers.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "nmrsim/coupling.h"
#include "nmrsim/lattice.h"
#include "nmrsim/line.h"
#include "nmrsim/phase_cycle.h"
#include "nmrsim/prior.h"
#include "nmrsim/relaxation.h"
#include "nmrsim/sequence.h"
#include "nmrsim/site.h"

namespace nmrsim {

/// What the times of a window count from.
enum class TimeOrigin {
    start,  ///< the start of the sequence
    pulse,  ///< the end of the last pulse
    echo    ///< the last pulse's echo, echo_us()
};

/// One window among several: `points` times, evenly from start to stop, both included.
struct AcquisitionWindow {
    double start_us = 0.0;  ///< first sample, from its origin [us]
    double stop_us = 0.0;   ///< last sample [us], > start_us (= start_us for a single point)
    int points = 1;         ///< >= 1
    TimeOrigin origin = TimeOrigin::start;
    std::size_t pulses = 0;  ///< `last pulse` is the last one of the sequence's first so many
};

/// When the magnetization is sampled, and how the receiver reads it: `points` times, evenly from
/// start to stop, both included.
struct Acquisition {
    double start_us = 0.0;   ///< first sample, from its origin [us]; none is before the first pulse
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
    TimeOrigin origin = TimeOrigin::start;  ///< of start_us and stop_us
    /// Several windows, one after the other in time, in place of start_us, stop_us and origin;
    /// `points` is how many samples they have in all.
    std::vector<AcquisitionWindow> windows = {};
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

/// What a record of a series has of its own.
struct SeriesRecord {
    /// "sequence.tau_us" and its value, as a file of settings has them.
    std::vector<std::pair<std::string, std::string>> settings;
    std::string file = {};  ///< where its samples are, if that was said
};

/// A plain description; computes nothing.
struct Experiment {
    std::string name = "unnamed";
    Interaction interaction;
    Lattice lattice;  ///< not used by the uniform kernel
    Line line;
    Relaxation relaxation;
    std::vector<Site> sites;  ///< kinds of spins; none: all are alike
    StartState start;
    Sequence sequence;
    PhaseCycle phase_cycle;
    Acquisition acquisition;
    Accuracy accuracy;
    Prior prior;                             ///< the unknowns, in order
    std::vector<ChallengeColumn> challenge;  ///< columns of mat_info.txt; the prior's where empty
    ChallengeScore score;
    /// Records that differ in some settings, whose samples follow each other in one curve
    /// (series.h); none: the experiment is one record.
    std::vector<SeriesRecord> series = {};

    /// Throws std::invalid_argument that names the key, the inequality and the value.
    void validate() const;
};

/// Times of the samples from the start of the sequence [us], (sample_count()); ascending, in each
/// record of a series.
std::vector<double> acquisition_times_us(const Experiment& experiment);

/// How many samples a curve has, of all records of a series.
std::size_t sample_count(const Experiment& experiment);

double first_sample_us(const Experiment& experiment);  ///< from the start of the sequence [us]
double last_sample_us(const Experiment& experiment);   ///< from the start of the sequence [us]

/// Between samples of a window, the least of all windows; 0 where each has one alone [us].
double sample_spacing_us(const Experiment& experiment);

/// Whether samples are taken at other times where a parameter has another value.
bool moves_samples(const Experiment& experiment, const std::string& parameter_name);

/// The same samples at times that count from the start of the sequence, `later_us` later.
Acquisition counted_from_start(const Experiment& experiment, double later_us = 0.0);

/// Whether the coupling is the uniform kernel, which needs no lattice.
bool is_uniform(const Experiment& experiment);

/// Largest |offset| from line.centre_khz that the cuts leave to any site's spins [kHz].
double largest_cut_khz(const Experiment& experiment);

}  // namespace nmrsim
