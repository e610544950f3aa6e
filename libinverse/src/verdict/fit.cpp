#include "nmrinverse/fit.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <stdexcept>

#include "nmrinverse/estimates_text.h"
#include "nmrinverse/joint_fit.h"
#include "nmrsim/errors.h"
#include "nmrsim/prior.h"
#include "nmrsim/random.h"
#include "nmrsim/stop.h"
#include "verdict/fit_check.h"
#include "verdict/learnt_posteriors.h"
#include "verdict/measured_fits.h"
#include "verdict/refined_estimates.h"

namespace nmrinverse {
namespace {

/// Draws of a network's posterior, and of the prior where there is none, that fits start from.
constexpr std::size_t kStartsFromPosterior = 256;
constexpr std::size_t kStartsFromPrior = 1024;
/// The best of them, which are followed: of 60 curves of challenge-2021 at noise 1e-3, 57 come home
/// (55 with 16), and the others are rejected or get caution.
constexpr int kFollowedFromPrior = 48;
/// Draws of a posterior whose curves say how far its own error shows.
constexpr std::size_t kJudgedDraws = 8;
/// Where their random numbers begin, beyond those of searches.
constexpr std::uint64_t kPriorDraws = std::uint64_t{1} << 32;
/// Curves whose answers are checked by fits unasked: as many as take some seconds.
constexpr std::size_t kCheckedUnasked = 64;
/// Time zeros of curves that are not measured are sought within this of 0 [us].
constexpr double kClockRange_us = 1.0;
/// Noise above the training's by so much is worth a word.
constexpr double kMuchNoise = 1.05;

/// Puts "; more" at the end of `reasons`.
void add_reason(const std::string& more, std::string& reasons) {
    if (more.empty()) return;
    reasons += (reasons.empty() ? "" : "; ") + more;
}

/// Noise of curves.
struct NoiseLevels {
    /// (count): what a model is told of each curve at its own times, never above its largest.
    std::vector<double> told;
    /// (count): on each of Mx and My of a curve's own samples; 0: not known.
    std::vector<double> sigma;
    bool measured = false;  ///< by the samples' scatter: it is at most that
    double most = 0.0;      ///< of what was measured
};

/// `noise`, of the curves' samples, where it is given, or what each curve's own scatter says.
NoiseLevels noise_levels(const Curves& curves, double largest_noise, double noise) {
    NoiseLevels levels;
    levels.sigma.assign(curves.count(), noise);
    for (std::size_t c = 0; c < curves.count(); ++c) {
        double& sigma = levels.sigma[c];
        sigma = told_noise(curves.names[c], curves.made_with[c], noise);
        if (!(sigma > 0.0) && largest_noise > 0.0 && curves.points() >= 16) {
            sigma = estimated_noise(curves.samples(c));
            levels.measured = true;
            levels.most = std::max(levels.most, sigma);
        }
        const Curves::Own* own = curves.own_of(c);
        levels.told.push_back(std::min((own ? own->noise_share : 1.0) * sigma, largest_noise));
    }
    return levels;
}

/// Draws of the prior, (count, draws, unknowns), the same for each curve.
std::vector<double> prior_starts(const nmrsim::Prior& prior, std::size_t count,
                                 std::uint64_t seed) {
    std::vector<double> drawn;
    for (std::size_t i = 0; i < kStartsFromPrior; ++i) {
        nmrsim::CounterRandom random(seed, kPriorDraws + i, nmrsim::RandomStream::search);
        for (const nmrsim::PriorRange& range : prior) {
            drawn.push_back(range.low + (range.high - range.low) * random.uniform());
        }
    }
    std::vector<double> all;
    all.reserve(count * drawn.size());
    for (std::size_t c = 0; c < count; ++c) all.insert(all.end(), drawn.begin(), drawn.end());
    return all;
}

/// One run of fit().
class CurveFit {
public:
    CurveFit(const nmrsim::Experiment& experiment, const LearntPosteriors* learnt,
             const FitOptions& options)
        : experiment_(experiment),
          learnt_(learnt),
          options_(options),
          refines_(options.refines() || learnt == nullptr) {
        fitting_.noise = options.noise;
        static_cast<ReceiverUnknowns&>(fitting_) = options.receiver();
        fitting_.fit_time_zero = options.fit_time_zero || options.measured;
        fitting_.time_zero_range_us = options.time_zero_range_us.value_or(kClockRange_us);
        fitting_.seed = options.seed;
        fitting_.threads = options.threads;
        if (learnt == nullptr) {
            fitting_.screened = fitting_.drawn = static_cast<int>(kStartsFromPrior);
            fitting_.refined = kFollowedFromPrior;
        }
        judging_.noise = options.noise;
        judging_.threads = options.threads;
        judging_.best_fit = refines_;
    }

    FitResult run(std::span<const InputCurves> inputs) {
        if (options_.measured) {
            find(inputs);
        } else {
            read(inputs);
            ask();
        }
        if (!refines_) {
            answer();
        } else {
            if (options_.joint) {
                fit_together();
            } else if (options_.measured) {
                take_fits();
            } else {
                refine_each();
            }
            take_refined();
            for (std::size_t c = 0; options_.measured && c < result_.count(); ++c) {
                const std::string words = t2_in_words(result_.estimates, c, experiment_);
                if (!words.empty()) say(result_.curves.names[c] + ": " + words);
            }
        }
        if (options_.judge) give_verdicts();
        return std::move(result_);
    }

private:
    void say(const std::string& line) const {
        if (options_.say) options_.say(line);
    }

    /// Throws: nmrsim::Stopped.
    void advance(const char* stage, double share) const {
        if (options_.progress && !options_.progress(stage, share)) throw nmrsim::Stopped();
    }

    std::function<bool(double)> reporting(const char* stage) const {
        return [this, stage](double share) {
            advance(stage, share);
            return true;
        };
    }

    /// Measured echoes, found and fitted.
    void find(std::span<const InputCurves> inputs) {
        EchoOptions finding;
        finding.align = options_.align;
        static_cast<ReceiverUnknowns&>(finding) = fitting_;
        finding.seed = options_.seed;
        finding.threads = options_.threads;
        if (!learnt_) {
            say(fmt::format(
                "no network: starts are {} draws of the prior, and draws about the best",
                finding.bank));
        }
        measured_ = fit_measured(
            inputs, experiment_, learnt_ ? learnt_->proposal : EchoProposal(), finding,
            options_.noise, fitting_, options_.time_zero_range_us,
            [this](const std::string& line) { say(line); }, reporting("refining"));
        result_.curves = readable_ = measured_->curves;
        result_.steps = std::move(measured_->steps);
        judging_.noise_of = measured_->noise;
        if (options_.joint) starts_ = joint_starts(*measured_, kStartsFromPosterior);
    }

    void read(std::span<const InputCurves> inputs) {
        Curves& curves = result_.curves;
        for (const InputCurves& input : inputs) append_curves(input, experiment_, curves);
        // An error stands alone: what was made out is said once all inputs are read.
        for (const InputCurves& input : inputs) {
            if (input.derived) say(input.name + ": " + nmrsim::axis_in_words(input.curves));
        }
        readable_ = with_empty_curves(curves, unreadable_curves(curves));
        doubt_.assign(curves.count(), "");
        for (std::size_t c = 0; c < curves.count(); ++c) {
            if (!curves.uneven[c]) continue;
            if (refines_) {
                throw nmrsim::InputError(curves.names[c] + ": a fit needs evenly spaced times");
            }
            add_reason("times unevenly spaced: judged on the interpolated curve", doubt_[c]);
        }
    }

    /// What is known before any fit: a network's posteriors, or the prior.
    void ask() {
        const double largest = learnt_ ? learnt_->largest_noise : options_.noise;
        levels_ = noise_levels(readable_, largest, options_.noise);
        if (levels_.measured && options_.warn) {
            options_.warn(fmt::format(
                "the noise is not given: the scatter of neighbouring samples says at most {:.2g}",
                levels_.most));
        }
        if (!learnt_) {
            say(fmt::format("no network: starts are {} draws of the prior", kStartsFromPrior));
            starts_ = prior_starts(experiment_.prior, readable_.count(), options_.seed);
            return;
        }
        // Refined, an estimate does not rest on the network's idea of noise.
        const std::string noisier = refines_ ? "" : noise_doubt(options_.noise, largest);
        if (!noisier.empty()) {
            if (options_.warn) options_.warn(noisier);
            for (std::string& doubt : doubt_) {
                doubt = "more noise than the model was trained on" +
                        (doubt.empty() ? "" : "; " + doubt);
            }
        }
        if (options_.noise == 0.0 && !refines_) {
            for (const double sigma : levels_.sigma) {
                judging_.noise_of.emplace_back();
                judging_.noise_of.back().sigma = sigma;
            }
            judging_.noise_is_bound = levels_.measured;
        }
        posterior_ = learnt_->posterior(readable_.signal, levels_.told, options_.threads);
        if (refines_) starts_ = sample(kStartsFromPosterior);
    }

    std::vector<double> sample(std::size_t draws) const {
        return posterior_->sample(draws, options_.seed + 1);
    }

    /// The network's own.
    void answer() {
        result_.estimates = posterior_->summary();
        const bool checked =
            options_.judge && options_.check.value_or(can_be_fitted(experiment_) &&
                                                      readable_.count() <= kCheckedUnasked);
        if (checked) {
            checks_ = check_by_fits(readable_, result_.estimates, sample(kStartsFromPosterior),
                                    levels_.sigma, options_.noise == 0.0, experiment_, fitting_,
                                    reporting("checking by fits"));
        }
        // A refined fit is judged by its own chi-square, not by what led to it.
        judging_.distance = posterior_->distance();
        judging_.samples = sample(kJudgedDraws);
        judging_.checked = checked;
        judged_ = result_.estimates;
        if (options_.samples > 0) result_.samples = sample(options_.samples);
    }

    void fit_together() {
        JointOptions jointly;
        jointly.refine = fitting_;
        if (measured_) {
            jointly.refine.noise = RefineOptions().noise;
            jointly.refine.time_zero_range_us = *std::max_element(
                measured_->time_zero_range_us.begin(), measured_->time_zero_range_us.end());
            for (const NoiseEstimate& one : measured_->noise) {
                jointly.noise.push_back(one.sigma);
                jointly.noise_correlation.push_back(one.correlation);
                jointly.noise_uncertainty.push_back(one.uncertainty);
            }
        }
        jointly.per_curve = options_.per_curve;
        std::vector<float> together;
        for (std::size_t c = 0; c < readable_.count(); ++c) {
            const auto samples_of = readable_.samples(c);
            together.insert(together.end(), samples_of.begin(), samples_of.end());
            jointly.windows.push_back(readable_.experiment_of(c, experiment_).acquisition);
        }
        const JointFit fit = fit_jointly(experiment_, together, starts_, jointly);
        say(fmt::format("joint fit of {} curves: chi-square {:.5g} of {:.5g}{}", fit.curves,
                        fit.chi_square, fit.degrees,
                        fit.within_noise() ? "" : ", not within the noise"));
        refined_ = joint_estimates(fit, experiment_.prior);
    }

    /// Posteriors of what was fitted where the echoes were sought.
    void take_fits() {
        for (std::size_t c = 0; c < readable_.count(); ++c) {
            fitting_.noise = measured_->noise[c].sigma;
            fitting_.noise_correlation = measured_->noise[c].correlation;
            fitting_.noise_uncertainty = measured_->noise[c].uncertainty;
            fitting_.relative_noise = measured_->fits[c].relative_noise;
            fitting_.time_zero_range_us = measured_->time_zero_range_us[c];
            append_refinement(readable_.experiment_of(c, experiment_), readable_.samples(c),
                              measured_->fits[c].fit, fitting_, refined_, options_.samples);
        }
    }

    void refine_each() {
        refined_ = refined_estimates(readable_, starts_, experiment_, fitting_,
                                     reporting("refining"), options_.samples);
    }

    void take_refined() {
        doubt_ = std::move(refined_.doubt);
        judged_ = refined_.estimates;  // a mean of several minima may be far from each of them
        const std::size_t unknowns = experiment_.prior.size();
        for (std::size_t c = 0; c < readable_.count(); ++c) {
            const Refinement& fit = refined_.fits[c];
            const double share = refined_.effective_share[c];
            judging_.efficiency.push_back(share > 0.0 ? share : 1.0);  // 0: none were needed
            judging_.factor.push_back(fit.factor);
            judging_.time_zero_us.push_back(fit.time_zero_us);
            std::copy(fit.estimate.begin(), fit.estimate.end(),
                      judged_.mean.begin() + static_cast<std::ptrdiff_t>(c * unknowns));
            const FoundEcho* echo = measured_ ? &measured_->fits[c].echo : nullptr;
            result_.factor.push_back(echo ? echo->factor * fit.factor : fit.factor);
            result_.shift_us.push_back((echo ? echo->shift_us : 0.0) - fit.time_zero_us);
            if (measured_) add_reason(measured_->doubt[c], doubt_[c]);
        }
        result_.estimates = std::move(refined_.estimates);
        result_.samples = std::move(refined_.samples);
        result_.refinements = std::move(refined_.fits);
    }

    void give_verdicts() {
        Judgements& judgements = result_.judgements;
        judgements =
            judge(result_.curves, judged_, experiment_, judging_, reporting("checking the fits"));
        for (std::size_t c = 0; c < judgements.verdict.size(); ++c) {
            Verdict& verdict = judgements.verdict[c];
            if (!doubt_[c].empty()) verdict = std::max(verdict, Verdict::caution);
            add_reason(doubt_[c], judgements.reason[c]);
            if (checks_.empty()) continue;
            verdict = std::max(verdict, checks_[c].verdict);
            add_reason(checks_[c].reason, judgements.reason[c]);
        }
    }

    const nmrsim::Experiment& experiment_;
    const LearntPosteriors* learnt_;
    const FitOptions& options_;
    bool refines_;
    RefineOptions fitting_;
    JudgeOptions judging_;
    FitResult result_;
    Curves readable_;  ///< with zeros in place of curves that cannot be read
    std::optional<MeasuredFits> measured_;
    std::optional<CurvePosteriors> posterior_;
    NoiseLevels levels_;
    std::vector<double> starts_;  ///< (count, draws, unknowns)
    RefinedEstimates refined_;
    std::vector<Judgement> checks_;
    std::vector<std::string> doubt_;
    Predictions judged_;
};

}  // namespace

ReceiverUnknowns FitOptions::receiver() const {
    return {fit_gain.value_or(measured), fit_phase.value_or(measured),
            fit_offset.value_or(measured)};
}

void FitOptions::validate() const {
    const auto refuse = [](const std::string& what) { throw std::invalid_argument(what); };
    if (!(std::isfinite(noise) && noise >= 0.0)) {
        refuse(fmt::format("noise must be >= 0, got {}", noise));
    }
    if (time_zero_range_us && !(*time_zero_range_us > 0.0)) {
        refuse(fmt::format("time_zero_range_us must be > 0, got {}", *time_zero_range_us));
    }
    if (refines() && check.value_or(false)) {
        refuse("check judges a network's answer: it goes with no refined fit");
    }
    if (joint && samples > 0) refuse("samples are of each curve's posterior: none of a joint fit");
}

FitResult fit_curves(const nmrsim::Experiment& experiment, const LearntPosteriors* learnt,
                     std::span<const InputCurves> inputs, const FitOptions& options) {
    options.validate();
    const bool refines = options.refines() || learnt == nullptr;
    const bool fits =
        learnt && refines ? nmrsim::is_uniform(experiment) : can_be_fitted(experiment);
    if ((refines || options.check.value_or(false)) && !fits) {
        throw std::invalid_argument(
            "a fit needs an experiment of the uniform kernel, nothing drawn, no choice among the "
            "unknowns: an echo of a lattice depends on its draw of offsets too");
    }
    if (refines && !options.measured && !(options.noise > 0.0)) {
        throw std::invalid_argument(
            "a fit needs noise > 0, the curves' own, unless they are measured");
    }
    if (!refines && (options.fit_gain.value_or(false) || options.fit_phase.value_or(false) ||
                     options.fit_time_zero)) {
        throw std::invalid_argument("gain, phase and time zero are fitted with refine alone");
    }
    std::size_t count = 0;
    for (const InputCurves& input : inputs) count += input.curves.count();
    if (options.joint && count < 2) {
        throw std::invalid_argument(
            fmt::format("a joint fit needs two or more curves, got {}", count));
    }
    return CurveFit(experiment, learnt, options).run(inputs);
}

FitResult fit(const nmrsim::Experiment& experiment, std::span<const InputCurves> inputs,
              const FitOptions& options) {
    return fit_curves(experiment, nullptr, inputs, options);
}

std::vector<double> FitResult::first_samples(std::size_t draws) const {
    const std::size_t row = draws * estimates.unknowns;
    const std::size_t all = count() ? samples.size() / count() : 0;
    std::vector<double> first;
    for (std::size_t c = 0; c < count(); ++c) {
        const auto begin = samples.begin() + static_cast<std::ptrdiff_t>(c * all);
        first.insert(first.end(), begin, begin + static_cast<std::ptrdiff_t>(row));
    }
    return first;
}

bool can_be_fitted(const nmrsim::Experiment& experiment) {
    return nmrsim::is_uniform(experiment) && experiment.line.spins == 0 &&
           nmrsim::find_categorical(experiment.prior) == nullptr;
}

std::string noise_doubt(double noise, double largest_noise) {
    if (noise <= kMuchNoise * largest_noise) return "";
    return fmt::format(
        "the curves' noise is {}, the model was trained on at most {}: its "
        "intervals are too narrow; train one with --noise",
        noise, largest_noise);
}

}  // namespace nmrinverse
