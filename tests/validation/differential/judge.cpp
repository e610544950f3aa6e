#include "judge.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <complex>
#include <ctime>
#include <limits>
#include <sstream>

#include "chance.h"
#include "nmrsim/parameters.h"
#include "nmrsim/prior.h"
#include "nmrsim/sensitivity.h"
#include "nmrsim/simulate.h"
#include "nmrsim/stop.h"
#include "oracle/bloch_oracle.h"

namespace differential {
namespace {

using namespace nmrsim;

/// The oracle's steps, as a share of the tolerance, and their bounds.
constexpr double kStepShare = 1e-6, kFinestStep = 1e-13, kCoarsestStep = 1e-10;
/// Of steps' errors in a whole curve.
constexpr double kGathered = 30.0;
/// Where the oracle is asked again, and how much better it must be than what it judges.
constexpr double kDoubt = 0.5, kBetter = 0.1;
/// Of the oracle's own arithmetic, times the gain.
constexpr double kRounding = 1e-14;
/// |M| that is no signal, times the gain: the oracle's rounding is a part in 1e4 of it.
constexpr double kNothing = 1e-10;
/// |M| that is no signal, times the gain, where the oracle's error is not well below the tolerance.
constexpr double kFaintest = 1e-5;
/// Below this the oracle's steps are as much finer.
constexpr double kFaint = 0.05;
/// Rounding of a batch's curve, which is in float.
constexpr double kFloat = 1.2e-7;
/// Of a batch beside the curve itself [s].
constexpr double kCompanyTime = 0.1;

double cpu_s() {
    timespec now{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

/// Largest difference of M; nan if either has one.
double difference(const Signal& a, const Signal& b) {
    double largest = 0.0;
    for (std::size_t k = 0; k < a.points(); ++k) {
        const double d = std::hypot(a.mx[k] - b.mx[k], a.my[k] - b.my[k]);
        if (!(d <= largest) && !std::isnan(largest)) largest = d;
    }
    return largest;
}

/// As a share of the peak; of what is to be nothing, the number itself.
double share_of(double difference, double peak) {
    const double share = peak > 0.0 ? difference / peak : difference;
    return std::isfinite(share) ? share : std::numeric_limits<double>::max();
}

/// The truth about a draw, better where it has to be.
struct Truth {
    Signal signal;
    double peak = 0.0;
    double step = 0.0;
    double own = -1.0;      ///< error, where the oracle was asked again
    double rounding = 0.0;  ///< what no step betters, as a share of the peak

    double floor() const {
        return std::max(rounding, own >= 0.0 ? own : kGathered * share_of(step, peak));
    }
};

void solve(const Experiment& e, double step, double refinement, Truth& truth) {
    truth.step = step;
    truth.signal = oracle::solve(e, {step, refinement});
    truth.peak = peak_magnitude(truth.signal);
    truth.rounding = share_of(kRounding * e.acquisition.gain, truth.peak);
}

Truth truth_of(const Experiment& e) {
    Truth truth;
    solve(e, std::clamp(kStepShare * e.accuracy.tolerance, kFinestStep, kCoarsestStep), 1.0, truth);
    // Steps keep their error beside the spins' length, not beside a faint signal.
    const double faint = truth.peak / e.acquisition.gain;
    if (faint < kFaint && truth.step > kFinestStep) {
        solve(e, std::max(kFinestStep, truth.step * std::max(faint, 1e-4)), 1.0, truth);
    }
    return truth;
}

/// The same with all offsets larger by some roundings.
Experiment with_rounded_offsets(const Experiment& e) {
    constexpr double kRoundings = 1.0 + 4e-15;
    Experiment other = e;
    for (double* khz : {&other.line.half_width_khz, &other.line.gaussian_half_width_khz,
                        &other.line.cutoff_khz}) {
        *khz *= kRoundings;
    }
    for (LinePoint& point : other.line.table) point.offset_khz *= kRoundings;
    return other;
}

/// Finer steps, more nodes and other roundings, and the largest difference that they make.
void improve(const Experiment& e, Truth& truth) {
    if (truth.own >= 0.0) return;
    Truth coarse = truth;
    // At the finest steps it is coarser ones that tell.
    if (truth.step <= 2.0 * kFinestStep) solve(e, 10.0 * truth.step, 0.8, coarse);
    solve(e, std::max(kFinestStep, 0.01 * truth.step), 1.3, truth);
    truth.own = share_of(difference(coarse.signal, truth.signal), truth.peak);
    // Spins that turn each other for thousands of radian may amplify what rounding leaves of where
    // they lie by a billion.
    Truth other = truth;
    solve(with_rounded_offsets(e), truth.step, 1.3, other);
    truth.own = std::max(truth.own, share_of(difference(other.signal, truth.signal), truth.peak));
}

/// The curve's batch: its prior about the draw's own values.
struct Company {
    Experiment shared;
    std::vector<double> own;         ///< (unknowns)
    std::vector<double> parameters;  ///< (curves, unknowns)
    std::size_t place = 0;           ///< of the draw's own curve

    std::size_t curves() const { return parameters.size() / own.size(); }
    std::vector<std::uint64_t> seeds(std::size_t count) const {
        return std::vector<std::uint64_t>(count, shared.lattice.seed);
    }
};

Company company_of(const Draw& draw, int others) {
    Company company;
    company.shared = draw.experiment;
    Chance chance(draw.index, 77);
    for (const std::string& name : draw.unknowns) {
        const Parameter& row = parameter(name);
        const double value = row.get(draw.experiment);
        // A spread of half of the pulses' strength takes more nodes than a test has time for.
        const double width = 0.2 * std::abs(value) + (name == "pulse_spread" ? 0.05 : 0.5);
        company.own.push_back(value);
        company.shared.prior.push_back(
            {name, std::max(row.lower, value - width), std::min(row.upper, value + width)});
    }
    company.place = static_cast<std::size_t>(chance.whole(0, others));
    for (std::size_t i = 0; i <= static_cast<std::size_t>(others); ++i) {
        for (std::size_t u = 0; u < company.own.size(); ++u) {
            const PriorRange& range = company.shared.prior[u];
            const double other = chance.uniform(range.low, range.high);
            company.parameters.push_back(i == company.place || !draw.mixed ? company.own[u]
                                                                           : other);
        }
    }
    return company;
}

std::vector<float> run_batch(const Company& company, std::span<const double> parameters,
                             int threads) {
    const std::size_t count = parameters.size() / company.own.size();
    std::vector<float> curves(count * 2 * sample_count(company.shared));
    simulate_batch(company.shared, parameters, company.seeds(count), curves, threads);
    return curves;
}

Signal row_of(const std::vector<float>& curves, std::size_t row, std::size_t points) {
    Signal signal;
    signal.time_us.resize(points);
    const auto at = curves.begin() + static_cast<std::ptrdiff_t>(2 * row * points);
    const auto middle = at + static_cast<std::ptrdiff_t>(points);
    signal.mx.assign(at, middle);
    signal.my.assign(middle, middle + static_cast<std::ptrdiff_t>(points));
    return signal;
}

void judge_batch(const Draw& draw, const Truth& truth, const std::function<void(bool)>& in_library,
                 Outcome& outcome) {
    const int affordable = static_cast<int>(kCompanyTime / std::max(outcome.library_s, 1e-6));
    const Company company = company_of(draw, std::min(draw.company, affordable));
    const std::size_t points = truth.signal.points();
    const std::size_t other = company.place == 0 ? company.curves() - 1 : 0;
    in_library(true);
    const std::vector<float> curves = run_batch(company, company.parameters, draw.threads);
    const std::vector<float> alone = run_batch(company, company.own, 3 - draw.threads);
    const Signal of_other = simulate(with_parameters(
        company.shared,
        std::span(company.parameters).subspan(other * company.own.size(), company.own.size())));
    in_library(false);
    const Signal own = row_of(curves, company.place, points);
    outcome.batch = std::max(0.0, share_of(difference(own, truth.signal), truth.peak) - kFloat);
    if (outcome.batch_beyond(1.0)) {
        outcome.complaints.push_back(fmt::format(
            "batch of {} by {}: error {:.2g} is {:.2g} times the tolerance", company.curves(),
            fmt::join(draw.unknowns, ", "), outcome.batch, outcome.batch / outcome.tolerance));
    }
    const Signal lonely = row_of(alone, 0, points);
    if (own.mx != lonely.mx || own.my != lonely.my) {
        outcome.complaints.push_back(
            fmt::format("batch of {} by {}: its curve differs by {:.2g} from the same alone on "
                        "another number of threads",
                        company.curves(), fmt::join(draw.unknowns, ", "),
                        share_of(difference(own, lonely), truth.peak)));
    }
    const Signal in_batch = row_of(curves, other, points);
    const double apart =
        share_of(difference(in_batch, of_other), peak_magnitude(of_other)) - kFloat;
    if (apart > 2.0 * outcome.tolerance) {
        outcome.complaints.push_back(fmt::format(
            "batch of {} by {}: curve {} is {:.2g} times the tolerance from simulate()",
            company.curves(), fmt::join(draw.unknowns, ", "), other, apart / outcome.tolerance));
    }
}

/// The derivative of the oracle's curve by four points: the error is the step's fourth power.
Signal by_differences(const Experiment& e, const Parameter& row, double step) {
    const auto shifted = [&](double by) {
        Experiment other = e;
        row.set(other, row.get(e) + by);
        return oracle::solve(other, {kFinestStep, 1.0});
    };
    const Signal above = shifted(step), below = shifted(-step);
    const Signal far_above = shifted(2.0 * step), far_below = shifted(-2.0 * step);
    Signal slope = above;
    for (const auto m : {&Signal::mx, &Signal::my}) {
        for (std::size_t k = 0; k < slope.points(); ++k) {
            (slope.*m)[k] =
                (8.0 * ((above.*m)[k] - (below.*m)[k]) - ((far_above.*m)[k] - (far_below.*m)[k])) /
                (12.0 * step);
        }
    }
    return slope;
}

void judge_slope(const Draw& draw, const Truth& truth, const std::function<void(bool)>& in_library,
                 Outcome& outcome) {
    const Experiment& e = draw.experiment;
    const Parameter& row = parameter(draw.slope);
    in_library(true);
    const SignalJacobian jacobian = simulate_with_jacobian(e, std::span(&draw.slope, 1));
    in_library(false);
    const double along = share_of(difference(jacobian.signal, truth.signal), truth.peak);
    if (along > outcome.tolerance) {
        outcome.complaints.push_back(
            fmt::format("the curve beside its derivative by {}: error {:.2g} is {:.2g} times the "
                        "tolerance",
                        draw.slope, along, along / outcome.tolerance));
    }
    Signal derivative = jacobian.signal;
    derivative.mx = jacobian.dmx.front();
    derivative.my = jacobian.dmy.front();
    // A step that changes the curve by some thousandths, if the derivative is right.
    const double value = row.get(e), slope = peak_magnitude(derivative);
    double step = slope > 0.0 ? 2e-3 * std::max(truth.peak, 1e-12) / slope : HUGE_VAL;
    // The density of a table has kinks.
    const bool kinks = draw.slope == "cutoff_khz" && e.line.shape == LineShape::table;
    step = std::min(step, (kinks ? 1e-6 : 1e-3) * (value != 0.0 ? std::abs(value) : 1.0));
    const auto look = [&](double by) {
        const Signal exact = by_differences(e, row, by);
        // A parameter that hardly tells on the curve is measured beside one that makes a tenth of
        // it.
        const double peak = std::max(peak_magnitude(exact),
                                     0.1 * truth.peak / (value != 0.0 ? std::abs(value) : 1.0));
        outcome.slope = share_of(difference(derivative, exact), peak);
        return peak;
    };
    double peak = look(step);
    // What the differences cannot tell from nothing.
    const double least = 1e-11 * (0.5 * e.acquisition.gain) / step;
    if (outcome.slope * peak <= 1e3 * least) outcome.slope = 0.0;
    // Over long times the curve bends within such a step, where its slope is small: what is wrong
    // is so at a tenth of it, too.
    if (outcome.slope_off()) peak = look(0.1 * step);
    if (outcome.slope_off()) {
        outcome.complaints.push_back(fmt::format("derivative by {}: off by {:.2g} of {:.3g}",
                                                 draw.slope, outcome.slope, peak));
    }
}

void judge_curve(const Experiment& e, const Signal& signal, const Truth& truth, Outcome& outcome) {
    outcome.peak = truth.peak;
    outcome.own = truth.own;
    outcome.floor = truth.floor();
    outcome.error = share_of(difference(signal, truth.signal), truth.peak);
    // The receiver amplifies M+ alone.
    const double gain = e.acquisition.gain;
    double off = 0.0, most = gain > 0.0 ? truth.peak / gain : 0.0;
    for (std::size_t k = 0; k < signal.points(); ++k) {
        off = std::max(off, std::abs(signal.mz[k] - truth.signal.mz[k]));
        most = std::max(most, std::abs(truth.signal.mz[k]));
    }
    outcome.z_error = share_of(off, most);
}

}  // namespace

bool Outcome::slope_off() const {
    return end == End::judged && slope > std::max(2e-3, 30.0 * tolerance);
}

bool Outcome::z_off() const {
    return end == End::judged && z_error > 2.0 * tolerance;
}

Outcome judge(const Draw& draw, const std::function<void(bool)>& in_library) {
    const Experiment& e = draw.experiment;
    Outcome outcome;
    outcome.index = draw.index;
    outcome.kind = draw.kind;
    outcome.path = path_of(e);
    outcome.tolerance = e.accuracy.tolerance;
    for (const auto& [reason, count] : draw.passed_over) outcome.passed_over += count;
    double start = cpu_s();
    Truth truth = truth_of(e);
    outcome.oracle_s = cpu_s() - start;
    outcome.peak = truth.peak;
    try {
        omp_set_num_threads(draw.threads);
        in_library(true);
        start = cpu_s();
        const Signal signal = simulate(e);
        outcome.library_s = cpu_s() - start;
        in_library(false);
        outcome.estimate = signal.estimated_error;
        judge_curve(e, signal, truth, outcome);
        if (outcome.beyond(kDoubt) || outcome.above_estimate() || outcome.z_off()) {
            improve(e, truth);
            judge_curve(e, signal, truth, outcome);
        }
        const double nothing = kNothing * e.acquisition.gain;
        if (truth.peak < nothing && peak_magnitude(signal) < nothing) {
            outcome.end = End::empty;
        } else if (outcome.floor > kBetter * outcome.tolerance) {
            improve(e, truth);
            judge_curve(e, signal, truth, outcome);
            // What is wrong by far more than the oracle is wrong all the same.
            if (outcome.floor > kBetter * outcome.tolerance &&
                outcome.error < outcome.tolerance + 10.0 * outcome.floor) {
                outcome.end =
                    truth.peak < kFaintest * e.acquisition.gain ? End::empty : End::unresolved;
            }
        }
        if (outcome.beyond(1.0)) {
            outcome.complaints.push_back(fmt::format("error {:.2g} is {:.2g} times the tolerance",
                                                     outcome.error,
                                                     outcome.error / outcome.tolerance));
        }
        if (outcome.above_estimate()) {
            outcome.complaints.push_back(fmt::format("error {:.2g} is above the estimate {:.2g}",
                                                     outcome.error, outcome.estimate));
        }
        if (outcome.z_off()) {
            outcome.complaints.push_back(fmt::format("Mz is off by {:.2g}", outcome.z_error));
        }
        if (outcome.end == End::judged && !draw.unknowns.empty()) {
            judge_batch(draw, truth, in_library, outcome);
        }
        if (outcome.end == End::judged && !draw.slope.empty()) {
            judge_slope(draw, truth, in_library, outcome);
        }
    } catch (const Stopped&) {
        in_library(false);
        outcome.end = End::stopped;
        outcome.complaints.push_back("took too long; it stopped when asked to");
    } catch (const std::exception& error) {
        in_library(false);
        outcome.end = End::refused;
        // What no double answers is refused with reason.
        improve(e, truth);
        outcome.own = truth.own;
        outcome.floor = truth.floor();
        if (outcome.floor > outcome.tolerance) outcome.end = End::unresolved;
        outcome.complaints.push_back(fmt::format("refused: {}", error.what()));
    }
    return outcome;
}

std::string as_line(const Outcome& o) {
    std::string line = fmt::format(
        "{} {} {} {} {:.6g} {:.6g} {:.6g} {:.6g} {:.6g} {:.6g} {:.6g} {:.6g} {:.6g} {:.6g} {:.6g} "
        "{}",
        o.index, static_cast<int>(o.kind), o.path, static_cast<int>(o.end), o.tolerance, o.peak,
        o.error, o.estimate, o.own, o.floor, o.z_error, o.batch, o.slope, o.library_s, o.oracle_s,
        o.passed_over);
    for (std::string complaint : o.complaints) {
        std::replace(complaint.begin(), complaint.end(), '\n', ' ');
        std::replace(complaint.begin(), complaint.end(), '\t', ' ');
        line += '\t' + complaint;
    }
    return line;
}

Outcome from_line(const std::string& line) {
    Outcome o;
    std::istringstream parts(line.substr(0, line.find('\t')));
    int kind = 0, end = 0;
    parts >> o.index >> kind >> o.path >> end >> o.tolerance >> o.peak >> o.error >> o.estimate >>
        o.own >> o.floor >> o.z_error >> o.batch >> o.slope >> o.library_s >> o.oracle_s >>
        o.passed_over;
    o.kind = static_cast<Kind>(kind);
    o.end = static_cast<End>(end);
    for (std::size_t at = line.find('\t'); at != std::string::npos;) {
        const std::size_t next = line.find('\t', at + 1);
        o.complaints.push_back(line.substr(at + 1, next - at - 1));
        at = next;
    }
    return o;
}

}  // namespace differential
