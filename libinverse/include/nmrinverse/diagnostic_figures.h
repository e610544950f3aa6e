/// Pictures of a posterior's diagnostics, from arrays.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "nmrinverse/evaluation.h"
#include "nmrinverse/report.h"
#include "nmrsim/prior.h"

namespace nmrinverse {

/// Histogram of the true values' ranks among the draws, one figure an unknown, with the band that
/// holds all bars of 99% of true posteriors.
std::vector<Figure> rank_figures(const Diagnostics& diagnostics);

/// Share of true values inside the central intervals against the intervals' probability, one line
/// an unknown, and two standard errors about what it should be; beside it the expected coverage of
/// TARP where there is one. Empty where there is no posterior.
std::vector<Figure> coverage_figures(const Diagnostics& diagnostics);

/// The posterior of one curve: marginals on the diagonal, pairs of unknowns below it.
///
/// Args: samples: (draws, unknowns). truth: (unknowns), marked; or empty.
FigureGrid corner_figure(const std::string& title, const nmrsim::Prior& prior,
                         std::span<const double> samples, std::span<const double> truth = {});

/// Which times of a curve each unknown is read from: |M| above, and for each unknown how much its
/// estimate changes by, were a sample larger by 1, root mean square over a hundredth of the window.
///
/// Args: time_us: (points). signal: (2, points). gradient: (unknowns, 2, points), d estimate / d
/// sample, in the unknown's unit per unit of M.
FigureGrid gradient_figure(const std::string& title, const nmrsim::Prior& prior,
                           std::span<const double> time_us, std::span<const float> signal,
                           std::span<const double> gradient);

/// Coverage of the 90% intervals in thirds of each unknown, of its true values and its estimates.
Table thirds_table(const Diagnostics& diagnostics);

/// Tests of calibration: p-values of ranks and TARP, area, log density.
Table calibration_table(const Diagnostics& diagnostics);

/// The challenge's score, column by column. Empty where there is none.
Table challenge_table(const ChallengeResult& challenge);

}  // namespace nmrinverse
