/// A trained model: what it was trained for, and the network, behind one handle. No Torch in sight.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "nmrinverse/posterior.h"
#include "nmrinverse/prediction.h"
#include "nmrsim/experiment.h"

namespace nmrinverse {

/// Curves that a model has seen.
struct LearntCurves {
    /// "data": those that nmr-generate writes under the seed; "training": those that training
    /// simulates, in a key space of its own, so that no data set holds them.
    std::string stream;
    std::uint64_t seed = 0;
    std::uint64_t first_index = 0;
    std::uint64_t count = 0;
};

/// How a model came to be; kept in the file.
struct TrainingRecord {
    std::string version;          ///< of the library that trained it
    std::size_t curves_seen = 0;  ///< simulated or read, counted with repetition
    int epochs = 0;
    double seconds = 0.0;               ///< wall-clock training time [s]
    std::string device;                 ///< "cpu" or "cuda"
    std::size_t weights = 0;            ///< numbers in the network
    std::string head;                   ///< form of the posterior: gaussian or flow
    double held_out_loss = 0.0;         ///< best loss on the held-out part
    double held_out_log_density = 0.0;  ///< mean logarithm of the joint density there, unit box
    std::vector<double> held_out_mse;   ///< (unknowns), squared units of each
    /// Curves of its experiment that it learnt from, held-out ones and those of its calibration
    /// included. Empty: not known (a file of an earlier version, or data of another maker).
    std::vector<LearntCurves> learnt;
    /// The receiver's freedom that it was trained for: phase [degrees] and gain as in
    /// ReceiverSpread, and the clock's [us]. Absent in files of an earlier version.
    std::optional<std::array<double, 3>> receiver = {};
    /// Which curves its widths were fitted on, a few words, such as "4096 fresh curves"; "" in
    /// files of an earlier version.
    std::string calibrated_on = {};
};

/// How many of the curves first_index ... first_index + count - 1 of a data set's seed the model
/// learnt from or was calibrated by; 0, too, where its record does not tell. On such curves it
/// looks better than it is.
std::uint64_t curves_learnt(const TrainingRecord& record, std::uint64_t seed,
                            std::uint64_t first_index, std::uint64_t count);

class Model {
public:
    struct State;
    explicit Model(std::shared_ptr<State> state);

    const nmrsim::Experiment& experiment() const;  ///< trained for; its prior names the unknowns
    const TrainingRecord& record() const;
    /// Largest noise level among the curves it was trained on, on each of Mx and My, in units of M.
    /// On noisier curves its intervals would be too narrow.
    double largest_noise() const;

    /// Estimates for `count` curves sampled at the experiment's acquisition times.
    ///
    /// Args: signal: (count, 2, points), Mx and My. noise: standard deviation on each, in units of
    /// M; absent: what estimated_noise() says of each curve, where the model asks for it. threads:
    /// 0 for all cores. Throws: std::invalid_argument for a wrong size, a value that is not finite
    /// (naming the curve and the point), or a noise above largest_noise() by more than 5%, by more
    /// than half where it is estimated: tell largest_noise() to go on with too narrow intervals.
    Predictions predict(std::span<const float> signal, std::size_t count,
                        std::optional<double> noise = {}, int threads = 0) const;

    /// The posterior of each of `count` curves; arguments and errors as above.
    Posterior posterior(std::span<const float> signal, std::size_t count,
                        std::optional<double> noise = {}, int threads = 0) const;

    /// The same with a noise level of its own for each curve, (count).
    Posterior posterior(std::span<const float> signal, std::size_t count,
                        std::span<const double> noise, int threads = 0) const;

    /// Which samples of a curve each estimate hangs on: d estimate / d sample, (unknowns, 2,
    /// points), in the unknowns' units over units of M.
    ///
    /// Args: signal: (2, points), one curve. Throws: std::invalid_argument as above.
    std::vector<double> gradient(std::span<const float> signal,
                                 std::optional<double> noise = {}) const;

    State& state() const { return *state_; }

private:
    std::shared_ptr<State> state_;
};

/// Reads a model file (safetensors: tensors and a JSON header, no code).
///
/// Throws: nmrsim::InputError that names the file and what was expected.
Model load_model(const std::string& path);

/// Writes beside, syncs and renames. Throws: std::runtime_error that names the path.
void save_model(const Model& model, const std::string& path);

/// Reads a posterior and the model that it comes from.
///
/// Throws: nmrsim::InputError that names the file and what was expected.
Posterior load_posterior(const std::string& path);

/// Writes a posterior with its model, as save_model() does.
void save_posterior(const Posterior& posterior, const std::string& path);

}  // namespace nmrinverse
