/// The curves that nmr-fit and nmr-evaluate read, whatever file they come in.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "command_line.h"
#include "nmrinverse/model.h"
#include "nmrsim/dataset.h"
#include "nmrsim/measured_curves.h"
#include "nmrsim/signal.h"

namespace nmrapps {

/// A model file, or the name of one that ships: MODEL as given where there is such a file,
/// otherwise share/nmrsim/models/MODEL.safetensors under the prefix that the program was installed
/// to.
///
/// Throws: nmrsim::InputError where there is neither.
std::string find_model(const std::string& model);

/// Curves of `experiment` at its acquisition times, with a name for each.
struct Curves {
    std::vector<std::string> names;  ///< (count): "echo.csv", or "train.h5#17", counted from 0
    std::vector<double> time_us;     ///< (points) [us]
    std::vector<float> signal;       ///< (count, 2, points)

    /// A curve as it was sampled, evenly, within the window.
    struct Own {
        double start_us = 0.0, stop_us = 0.0;
        std::vector<float> signal;  ///< (2, points)
        /// White noise of `Curves::signal` at low frequencies over that of these samples.
        double noise_share = 1.0;
    };
    /// (count), or none: curves that were sampled at other times than time_us; null for the others.
    std::vector<std::shared_ptr<const Own>> own;
    /// (count), or none: curves of uneven times, which are known by interpolation alone.
    std::vector<bool> uneven;
    std::vector<double> made_with;  ///< (count), or none: noise that their data set says they have

    std::size_t count() const { return names.size(); }
    std::size_t points() const { return time_us.size(); }
    nmrsim::Signal curve(std::size_t index) const;  ///< Mz is 0

    const Own* own_of(std::size_t index) const { return own.empty() ? nullptr : own[index].get(); }
    /// A curve's own samples, (2, points), what a fit compares; those at time_us where it has none.
    std::span<const float> samples(std::size_t index) const {
        if (const Own* there = own_of(index)) return there->signal;
        return std::span(signal).subspan(index * 2 * points(), 2 * points());
    }
    std::vector<double> times_us(std::size_t index) const;  ///< of its samples
    /// `experiment` acquired at a curve's own times.
    nmrsim::Experiment experiment_of(std::size_t index, nmrsim::Experiment experiment) const {
        if (const Own* there = own_of(index)) {
            experiment.acquisition.start_us = there->start_us;
            experiment.acquisition.stop_us = there->stop_us;
            experiment.acquisition.points = static_cast<int>(there->signal.size() / 2);
        }
        return experiment;
    }
};

/// Largest spacing of samples from which a curve of this line can be interpolated [us].
double largest_spacing_us(const nmrsim::Experiment& experiment);

/// Where a Hahn echo has its echo; of another sequence, the window's middle [us].
double echo_us(const nmrsim::Experiment& experiment);

/// What one input holds, as it was sampled.
struct InputCurves {
    std::vector<std::string> names;  ///< (count): "echo.csv", or "train.h5#17", counted from 0
    nmrsim::MeasuredCurves curves;
    bool derived = false;  ///< its times were made out, not those of a data set of ours
    double noise = 0.0;    ///< that a data set of ours says was added to its curves
};

/// Reads a curve file (text, .npy, .npz), an array FILE.h5:/PATH, an HDF5 data set or a challenge
/// folder.
///
/// Throws: nmrsim::InputError, naming the file, for what cannot be read and a data set of another
/// experiment.
InputCurves read_input(const std::string& input, const nmrsim::Experiment& experiment,
                       const nmrsim::CurveFormat& format = {});

/// One line for the user.
using Say = std::function<void(const std::string&)>;

/// The noise that curves have which were made with `in_file` and are said to have `given`; 0 where
/// neither is known.
///
/// Throws: std::invalid_argument for less than was added to them.
double told_noise(const std::string& input, double in_file, double given);

/// Reads an input and appends its curves at the experiment's times. A curve sampled at other times
/// is interpolated where its times cover the window; its own samples are kept beside. The axis that
/// was made out is said.
///
/// Throws: nmrsim::InputError, as above, and for times that do not cover the window or are too
/// coarse for the line.
void read_curves(const std::string& input, const nmrsim::Experiment& experiment, Curves& curves,
                 const nmrsim::CurveFormat& format = {}, const Say& say = {});

/// A data set with known parameters for nmr-evaluate: HDF5, or a challenge folder with
/// mat_info.txt.
nmrsim::Dataset read_labelled(const std::string& input, const nmrsim::Experiment& experiment);

/// The same curves with zeros for those at these places, which a network can read.
Curves with_empty_curves(const Curves& curves, std::span<const std::size_t> places);

/// Noise of curves.
struct NoiseLevels {
    /// (count): what the model is told of each curve at its own times, never above its largest.
    std::vector<double> told;
    /// (count): on each of Mx and My of a curve's own samples; 0: not known.
    std::vector<double> sigma;
    bool measured = false;  ///< by the samples' scatter: it is at most that
};

/// `noise`, of the files' samples, where it is given, or what each curve's own scatter says; then
/// says so once.
NoiseLevels noise_levels(const CLI::App& app, const Curves& curves, const nmrinverse::Model& model,
                         double noise);

/// Whether curves with this noise are noisier than any the model was trained on; if so, warns once.
bool warn_if_noisier(const CLI::App& app, const nmrinverse::Model& model, double noise);

}  // namespace nmrapps
