#include "general/ensemble_motion.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "general/stretches.h"
#include "lattice/lattice_steps.h"
#include "nmrsim/stop.h"
#include "nmrsim/units.h"

namespace nmrsim {
namespace {

// From the ends of so many steps; no fewer, or the error would not fall as that of the steps does.
constexpr std::size_t kInterpolationPoints = 14;

/// Magnetization at the ends of steps.
template <class Scalar>
struct Track {
    std::vector<Scalar> time;  ///< [us]
    std::vector<Vec3<Scalar>> mean;

    /// At any time between, by the polynomial through the nearest ones.
    Vec3<Scalar> at(const Scalar& t) const {
        const std::size_t n = std::min(kInterpolationPoints, time.size());
        const double when = part(t, 0);
        std::size_t after = 0;
        while (after < time.size() && part(time[after], 0) < when) ++after;
        const std::size_t first = std::min(after > n / 2 ? after - n / 2 : 0, time.size() - n);
        Vec3<Scalar> sum;
        for (std::size_t p = first; p < first + n; ++p) {
            Scalar value = 1.0;
            for (std::size_t q = first; q < first + n; ++q) {
                if (q != p) value = value * ((t - time[q]) / (time[p] - time[q]));
            }
            sum = sum + value * mean[p];
        }
        return sum;
    }
};

template <class Scalar>
class Motion {
public:
    Motion(const Experiment& experiment, const EnsembleInputs<Scalar>& inputs,
           const EnsembleRates& rates, const StepSize& size, StepSchedule& schedule, int threads)
        : inputs_(inputs),
          rates_(rates),
          size_(size),
          schedule_(schedule),
          chooses_(schedule.empty()),
          stretches_(stretches(experiment, inputs)),
          steps_(inputs, experiment.lattice,
                 experiment.accuracy.frame == Frame::laboratory ? CounterRotating::stepped
                                                                : CounterRotating::averaged,
                 experiment.accuracy.magnus_order, threads),
          // What turns at twice the Larmor frequency is not smooth on the steps' scale.
          smooth_(experiment.accuracy.frame != Frame::laboratory &&
                  !steps_.averages_beyond_first()),
          last_us_(part(inputs.sample.back(), 0)) {}

    std::vector<Vec3<Scalar>> samples() {
        for (std::size_t s = 0; s < stretches_.size() && next_ < inputs_.sample.size(); ++s) {
            const Stretch<Scalar>& stretch = stretches_[s];
            for (const std::size_t e : stretch.pulses) {
                steps_.pulse(inputs_.flip[e], inputs_.phase[e]);
            }
            steps_.set_drive(stretch.drive_x, stretch.drive_y);
            drive_ = stretch.drive();
            steps_.to_slow(now_);
            const bool final = s + 1 == stretches_.size();
            const bool through = interpolates(s, final);
            through ? go_through(stretch, final) : stop_at_samples(stretch, final);
            steps_.to_fast(now_);
        }
        return std::move(signal_);
    }

private:
    double same_us() const { return kSameTime * std::max(last_us_, 1e-3); }
    double longest_us() const { return size_.longest_us(rates_, field_, drive_, last_us_); }

    /// The first sample that is not of the stretch.
    std::size_t end_sample(const Stretch<Scalar>& stretch, bool final) const {
        std::size_t end = next_;
        while (end < inputs_.sample.size() &&
               (final || part(inputs_.sample[end], 0) < part(stretch.end, 0) - same_us())) {
            ++end;
        }
        return end;
    }

    /// What follows the last sample is nobody's business.
    Scalar last_of(const Stretch<Scalar>& stretch, bool final) const {
        return end_sample(stretch, final) == inputs_.sample.size() ? inputs_.sample.back()
                                                                   : stretch.end;
    }

    bool interpolates(std::size_t s, bool final) {
        if (!chooses_) return schedule_.interpolates[s];
        field_ = steps_.largest_field();
        const Stretch<Scalar>& stretch = stretches_[s];
        const double samples = static_cast<double>(end_sample(stretch, final) - next_);
        const double length = part(last_of(stretch, final), 0) - part(now_, 0);
        const double fewest = static_cast<double>(kInterpolationPoints - 1);
        // Samples closer than the steps by more than this are interpolated from them.
        constexpr double kSpacings = 1.5;
        schedule_.interpolates.push_back(smooth_ && length > same_us() &&
                                         samples >
                                             kSpacings * std::max(length / longest_us(), fewest));
        return schedule_.interpolates.back();
    }

    /// Through the whole stretch, then between the steps.
    void go_through(const Stretch<Scalar>& stretch, bool final) {
        Track<Scalar> track;
        track.time.push_back(now_);
        track.mean.push_back(steps_.mean());
        const Scalar until = last_of(stretch, final);
        const double length = part(until, 0) - part(now_, 0);
        // Samples are interpolated from steps in which no spin turns by more [rad].
        constexpr double kInterpolatedTurn = 1.0;
        const auto smooth_us = [&] {
            const double fastest = rates_.fastest + rates_.coupling * field_ + drive_;
            const double longest = length / static_cast<double>(kInterpolationPoints - 1);
            return fastest > 0.0 ? std::min(longest, kInterpolatedTurn / fastest) : longest;
        };
        cover(until - now_, smooth_us, [&](const Scalar& time) {
            track.time.push_back(time);
            track.mean.push_back(steps_.mean());
        });
        now_ = until;
        for (const std::size_t end = end_sample(stretch, final); next_ < end; ++next_) {
            signal_.push_back(track.at(inputs_.sample[next_]));
        }
    }

    void stop_at_samples(const Stretch<Scalar>& stretch, bool final) {
        const std::size_t end = end_sample(stretch, final);
        const bool sampled = next_ < end;
        for (; next_ < end; ++next_) {
            cover(inputs_.sample[next_] - now_);
            now_ = inputs_.sample[next_];
            if (steps_.averages_beyond_first()) {
                const SpinVectors<Scalar> slow = steps_.spins;
                steps_.to_fast(now_);
                signal_.push_back(steps_.mean());
                steps_.spins = slow;
            } else {
                signal_.push_back(steps_.mean());
            }
        }
        if (final || next_ == inputs_.sample.size()) return;
        cover(sampled ? stretch.end - now_ : stretch.duration);
        now_ = stretch.end;
    }

    void cover(const Scalar& span) {
        cover(
            span, [] { return HUGE_VAL; }, [](const Scalar&) {});
    }

    /// Steps from now on through `span`.
    ///
    /// Args: limit_us(): that no step is longer than. use(time): called after each step.
    template <class Limit, class Use>
    void cover(const Scalar& span, const Limit& limit_us, const Use& use) {
        if (!(part(span, 0) > 0.0)) {
            if (has_slope(span)) advance(0.0, 1.0, span);
            return;
        }
        if (chooses_) {
            choose_steps(span, limit_us, use);
            return;
        }
        double begin = 0.0;
        for (const double end : schedule_.ends[spans_++]) {
            for (int k = 0; k < size_.parts; ++k) {
                const double from = begin + (end - begin) * k / size_.parts;
                const double to = begin + (end - begin) * (k + 1) / size_.parts;
                advance(from, to, span);
                use(now_ + to * span);
            }
            begin = end;
        }
    }

    template <class Limit, class Use>
    void choose_steps(const Scalar& span, const Limit& limit_us, const Use& use) {
        const double length = part(span, 0);
        std::vector<double> ends;
        double done = 0.0, before = HUGE_VAL;
        // More steps than any computer takes.
        constexpr double kMostSteps = 1e12;
        // A step is this many times as long as the one before at most.
        constexpr double kGrowth = 1.4;
        // A step is taken back where the field at its end asks for one shorter by more than this.
        constexpr double kTooLong = 1.3;
        while (done < 1.0) {
            const double left = length * (1.0 - done);
            const double longest = std::min({longest_us(), limit_us(), kGrowth * before});
            const double count = std::ceil(left / longest * (1.0 - kSameTime));
            if (!(count < kMostSteps)) {
                throw std::runtime_error(
                    fmt::format("too many steps: {} us in steps of {:.1e} us", left, longest));
            }
            const double end = count > 1.0 ? done + (1.0 - done) / count : 1.0;
            const SpinVectors<Scalar> spins = steps_.spins;
            advance(done, end, span);
            field_ = steps_.largest_field();
            const double step = length * (end - done);
            if (step > kTooLong * std::min(longest_us(), limit_us())) {
                steps_.spins = spins;
                before = HUGE_VAL;
                continue;
            }
            ends.push_back(end);
            use(now_ + end * span);
            done = end;
            before = step;
        }
        schedule_.ends.push_back(std::move(ends));
    }

    /// From one share of the span to another.
    void advance(double from, double to, const Scalar& span) {
        throw_if_stopped();
        const Scalar time = now_ + from * span, length = (to - from) * span;
        size_.method.eighth ? steps_.advance_eighth(time, length) : steps_.advance(time, length);
    }

    const EnsembleInputs<Scalar>& inputs_;
    const EnsembleRates& rates_;
    const StepSize& size_;
    StepSchedule& schedule_;
    bool chooses_;
    std::vector<Stretch<Scalar>> stretches_;
    EnsembleSteps<Scalar> steps_;
    bool smooth_;
    double last_us_;
    double drive_ = 0.0;     ///< [rad/us]
    double field_ = 0.0;     ///< largest |w|, where steps are chosen
    Scalar now_ = 0.0;       ///< [us]
    std::size_t next_ = 0;   ///< sample
    std::size_t spans_ = 0;  ///< of the schedule, covered
    std::vector<Vec3<Scalar>> signal_;
};

}  // namespace

double StepSchedule::steps() const {
    double count = 0.0;
    for (const std::vector<double>& span : ends) count += static_cast<double>(span.size());
    return count;
}

template <class Scalar>
std::vector<Vec3<Scalar>> evolve(const Experiment& experiment, const EnsembleInputs<Scalar>& inputs,
                                 const EnsembleRates& rates, const StepSize& size,
                                 StepSchedule& schedule, int threads) {
    return Motion<Scalar>(experiment, inputs, rates, size, schedule, threads).samples();
}

#define NMRSIM_EVOLVE(Scalar)                                                                   \
    template std::vector<Vec3<Scalar>> evolve(const Experiment&, const EnsembleInputs<Scalar>&, \
                                              const EnsembleRates&, const StepSize&,            \
                                              StepSchedule&, int);
NMRSIM_EVOLVE(double)
NMRSIM_EVOLVE(Dual<1>)
NMRSIM_EVOLVE(Dual<2>)
NMRSIM_EVOLVE(Dual<3>)
#undef NMRSIM_EVOLVE

}  // namespace nmrsim
