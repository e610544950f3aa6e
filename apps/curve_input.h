/// The curves that nmr-fit and nmr-evaluate read, whatever file they come in.
#pragma once

#include <functional>
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

    std::size_t count() const { return names.size(); }
    std::size_t points() const { return time_us.size(); }
    nmrsim::Signal curve(std::size_t index) const;  ///< Mz is 0
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

/// Reads an input and appends its curves at the experiment's times. A curve sampled at other times
/// is interpolated where its times cover the window. The axis that was made out is said.
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

/// The noise that the model is told of for each curve, (count): `noise` where it is given, or what
/// the curve's own scatter says, never above the model's largest; then says so once.
std::vector<double> noise_levels(const CLI::App& app, const Curves& curves,
                                 const nmrinverse::Model& model, double noise);

/// Whether curves with this noise are noisier than any the model was trained on; if so, warns once.
bool warn_if_noisier(const CLI::App& app, const nmrinverse::Model& model, double noise);

}  // namespace nmrapps
