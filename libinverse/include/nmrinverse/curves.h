/// Curves that are fitted, whatever file or instrument they come from.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "nmrsim/curve_format.h"
#include "nmrsim/dataset.h"
#include "nmrsim/experiment.h"
#include "nmrsim/measured_curves.h"

namespace nmrinverse {

/// What one file, array or folder holds, as it was sampled.
struct InputCurves {
    std::string name;                ///< of the input, for what is said of it
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
InputCurves read_curves(const std::string& input, const nmrsim::Experiment& experiment,
                        const nmrsim::CurveFormat& format = {});

/// A data set with known parameters: HDF5, or a challenge folder with mat_info.txt.
///
/// Throws: nmrsim::InputError, as above.
nmrsim::Dataset read_labelled(const std::string& input, const nmrsim::Experiment& experiment);

/// Curves of an experiment at its acquisition times, with a name for each.
struct Curves {
    std::vector<std::string> names;
    std::vector<double> time_us;  ///< (points) [us]
    std::vector<float> signal;    ///< (count, 2, points)

    /// A curve as it was sampled, evenly, within the window.
    struct Own {
        double start_us = 0.0, stop_us = 0.0;
        std::vector<float> signal;  ///< (2, points)
        /// White noise of `Curves::signal` at low frequencies over that of these samples.
        double noise_share = 1.0;
        /// Of a series: its records, each with its window, and the times of all samples [us].
        std::vector<nmrsim::SeriesRecord> series = {};
        std::vector<double> time_us = {};
        /// (points), or none: as RefineOptions' of the same name.
        std::vector<double> relative_noise = {};
    };
    /// (count), or none: curves that were sampled at other times than time_us; null for the others.
    std::vector<std::shared_ptr<const Own>> own;
    /// (count), or none: curves of uneven times, which are known by interpolation alone.
    std::vector<bool> uneven;
    std::vector<double> made_with;  ///< (count), or none: noise that their data set says they have

    std::size_t count() const { return names.size(); }
    std::size_t points() const { return time_us.size(); }

    const Own* own_of(std::size_t index) const { return own.empty() ? nullptr : own[index].get(); }
    /// A curve's own samples, (2, points), what a fit compares; those at time_us where it has none.
    std::span<const float> samples(std::size_t index) const;
    std::vector<double> times_us(std::size_t index) const;  ///< of its samples
    /// `experiment` acquired at a curve's own times.
    nmrsim::Experiment experiment_of(std::size_t index, nmrsim::Experiment experiment) const;
};

/// Appends an input's curves at the experiment's times. Curves sampled at other times are
/// interpolated where their times cover the window; their own samples are kept beside.
///
/// Throws: nmrsim::InputError for times that do not cover the window or are too coarse for the
/// line.
void append_curves(const InputCurves& input, const nmrsim::Experiment& experiment, Curves& curves);

/// Which curves hold a number that is not finite. A network cannot read them.
std::vector<std::size_t> unreadable_curves(const Curves& curves);

/// The same curves with zeros for those at these places, which a network can read.
Curves with_empty_curves(const Curves& curves, std::span<const std::size_t> places);

/// The noise that curves have which were made with `in_file` and are said to have `given`; 0 where
/// neither is known.
///
/// Throws: std::invalid_argument for less than was added to them.
double told_noise(const std::string& input, double in_file, double given);

/// Largest spacing of samples from which a curve of this line can be interpolated [us].
double largest_spacing_us(const nmrsim::Experiment& experiment);

}  // namespace nmrinverse
