#include "nmrsim/mean_field.h"

#include <fmt/format.h>

#include <Eigen/Cholesky>
#include <Eigen/Core>
#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/aligned_array.h"
#include "base/instruction_set.h"
#include "model/derived_rows.h"
#include "model/pulse_turn.h"
#include "nmrsim/parameters.h"
#include "nmrsim/threads.h"
#include "nmrsim/units.h"
#include "symmetry/mean_field_kernel.h"
#include "uniform/uniform_plan.h"

namespace nmrsim {
namespace {

// Largest turn of a spin in one step [rad]: the kernel's series are made for it.
constexpr double kLargestTurn = 1.0;
// |M| is 1/2 at most, so that what is larger is no curve; numbers are kept where they can be
// computed with.
constexpr float kLargestSignal = 1.0f;
constexpr float kLargestOff = 10.0f;

using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

[[noreturn]] void refuse(const std::string& why) {
    throw std::invalid_argument("the mean field's residual needs " + why);
}

void require_known(const Experiment& experiment) {
    constexpr std::array<std::string_view, 9> kMayVary = {
        "alpha_x_khz",      "xi",           "exponent", "s_weight", "d_weight", "summed_khz",
        "summed_by_xi_khz", "gamma3_per_s", "d"};
    for (const PriorRange& unknown : experiment.prior) {
        if (std::find(kMayVary.begin(), kMayVary.end(), unknown.name) == kMayVary.end()) {
            refuse(fmt::format("{} to be known", unknown.name));
        }
    }
}

void require_reach(const Experiment& experiment) {
    const Acquisition& acquisition = experiment.acquisition;
    const Interaction& coupling = experiment.interaction;
    if (is_uniform(experiment) && experiment.line.spins == 0) refuse("offsets that are drawn");
    if (coupling.alpha_z_khz != 0.0 || coupling.alpha_y_khz) {
        refuse("a coupling in plane alone, alpha_x = alpha_y");
    }
    if (experiment.relaxation.gamma1_per_s != 0.0 || experiment.relaxation.gamma2_per_s != 0.0) {
        refuse("gamma1 and gamma2 of 0");
    }
    if (!experiment.phase_cycle.empty()) refuse("a sequence without phase cycle");
    if (acquisition.dead_time_us != 0.0 || acquisition.gain != 1.0 ||
        acquisition.receiver_phase_deg != 0.0) {
        refuse("a receiver without gain, phase and dead time");
    }
    if (first_sample_us(experiment) != 0.0 || !acquisition.windows.empty())
        refuse("samples from the first pulse on");
    require_known(experiment);
}

int nodes_for(const Experiment& experiment) {
    const double turn = kTwoPi * experiment.line.cutoff_khz * kHzPerKhz *
                        last_sample_us(experiment) * kSecondsPerUs;
    // Nodes, and nodes for a radian that the line's cut turns by: a covariance has twice the
    // frequencies of a mean, for which half as many do (measured: 160 instead of 192 are enough for
    // the challenges of 2024, 128 are not).
    constexpr double kNodes = 32.0;
    constexpr double kNodesPerRadian = 0.65;
    return static_cast<int>(kNodes + kNodesPerRadian * turn);
}

const MeanFieldKernel& mean_field_kernel() {
    return NMRSIM_BEST(kMeanField);
}

/// m at the middle of the steps from sample `first` to sample `last`, whose value is `end`.
void midpoints(const float* m, int first, int last, float end, float* middle) {
    const auto at = [&](int i) {
        return std::clamp(i == last ? end : m[i], -kLargestSignal, kLargestSignal);
    };
    for (int i = first; i < last; ++i) {
        if (i == first) {
            middle[i] = (3.0f * at(i) + 6.0f * at(i + 1) - at(i + 2)) / 8.0f;
        } else if (i + 1 == last) {
            middle[i] = (3.0f * at(i + 1) + 6.0f * at(i) - at(i - 1)) / 8.0f;
        } else {
            middle[i] = (9.0f * (at(i) + at(i + 1)) - at(i - 1) - at(i + 2)) / 16.0f;
        }
    }
}

/// Reads the field off an experiment's unknowns.
class FieldReader {
public:
    explicit FieldReader(const Experiment& experiment) : experiment_(experiment) {
        const Prior& prior = experiment.prior;
        const auto sum = std::find_if(prior.begin(), prior.end(), [](const PriorRange& unknown) {
            return unknown.name == "summed_khz" || unknown.name == "summed_by_xi_khz";
        });
        if (sum == prior.end()) return;
        sum_ = static_cast<std::size_t>(sum - prior.begin());
        sign_ = signed_kernel_sum(experiment);
    }

    MeanField operator()(std::span<const double> values) const {
        const Prior& prior = experiment_.prior;
        if (!sum_) {
            const Experiment own = with_parameters(experiment_, values);
            return {own.interaction.alpha_x_khz * signed_kernel_sum(own),
                    own.relaxation.transverse_rate()};
        }
        if (values.size() != prior.size()) {
            throw std::invalid_argument(fmt::format(
                "expected {} values, one for each unknown, got {}", prior.size(), values.size()));
        }
        Experiment own = experiment_;
        for (std::size_t k = 0; k < prior.size(); ++k) {
            if (std::string_view(parameter(prior[k].name).table) == "relaxation") {
                set_parameter(own, prior[k].name, values[k]);
            }
        }
        // The sum is given without its sign.
        return {std::copysign(values[*sum_], sign_), own.relaxation.transverse_rate()};
    }

private:
    const Experiment& experiment_;
    std::optional<std::size_t> sum_;  ///< the unknown that is the summed coupling itself
    double sign_ = 1.0;               ///< a number of the kernel's sign
};

/// Buffers of one thread.
struct Workspace {
    AlignedArray<float> spins;   ///< (3, nodes)
    AlignedArray<float> rows;    ///< (2, samples, nodes): the curve's change as offsets scatter
    AlignedArray<float> middle;  ///< (2, points)
    Matrix covariance;           ///< (2 samples, 2 samples)
    Eigen::VectorXf off;         ///< (2 samples)
};

}  // namespace

MeanField mean_field(const Experiment& experiment, std::span<const double> values) {
    return FieldReader(experiment)(values);
}

std::vector<MeanField> mean_fields(const Experiment& experiment, std::span<const double> values) {
    const std::size_t unknowns = experiment.prior.size();
    if (unknowns == 0 || values.size() % unknowns != 0) {
        throw std::invalid_argument(
            fmt::format("{} values do not fit {} unknowns", values.size(), unknowns));
    }
    const FieldReader reader(experiment);
    std::vector<MeanField> fields;
    for (std::size_t at = 0; at < values.size(); at += unknowns) {
        fields.push_back(reader(values.subspan(at, unknowns)));
    }
    return fields;
}

struct MeanFieldResidual::State {
    int points = 0;
    int pulse = 0;  ///< sample at the time of the second pulse; `points`: it comes later
    int nodes = 0;
    int step = 1;
    int samples = 0;
    double step_s = 0.0;
    float ridge = 0.0f;
    Matrix3 first{};
    Matrix3 second{};
    std::array<double, 3> start{};
    AlignedArray<float> turn, weight, root;  ///< (nodes)

    int kept_rows() const { return 2 * samples; }

    void one(const float* signal, const MeanField& field, float* residual, Workspace& work) const;
};

MeanFieldResidual::MeanFieldResidual(const Experiment& experiment, double floor) {
    experiment.validate();
    require_reach(experiment);
    const auto* echo = std::get_if<HahnEcho>(&experiment.sequence.program);
    if (echo == nullptr || has_finite_pulses(experiment.sequence)) {
        refuse("a Hahn echo with ideal pulses");
    }
    if (!(floor > 0.0) || !std::isfinite(floor)) {
        throw std::invalid_argument(fmt::format("floor must be > 0 and finite, got {}", floor));
    }
    auto state = std::make_unique<State>();
    const Acquisition& acquisition = experiment.acquisition;
    state->points = acquisition.points;
    // Samples that a midpoint is interpolated from.
    constexpr int kFewestSamples = 4;
    if (state->points < kFewestSamples) refuse(fmt::format("{} samples or more", kFewestSamples));
    const double step_us = last_sample_us(experiment) / (state->points - 1);
    state->step_s = step_us * kSecondsPerUs;
    const double pulse = echo->tau_us / step_us;
    state->pulse = pulse > state->points ? state->points : static_cast<int>(std::llround(pulse));
    // Times are equal up to this share of a step.
    constexpr double kSameTime = 1e-6;
    if (state->pulse < state->points && std::abs(pulse - state->pulse) > kSameTime) {
        refuse(fmt::format("tau_us to be the time of a sample, got {} at every {} us", echo->tau_us,
                           step_us));
    }
    if (state->pulse < kFewestSamples ||
        (state->pulse < state->points && state->points - state->pulse < kFewestSamples)) {
        refuse(fmt::format("{} samples or more on each side of the second pulse", kFewestSamples));
    }
    const double scale = experiment.sequence.pulse_scale;
    state->first = pulse_matrix({scale * echo->flip_deg, echo->flip_phase_deg});
    state->second =
        pulse_matrix({scale * echo->flip_deg * echo->refocus_ratio, echo->refocus_phase_deg});
    // A pulse mixes M+ with Mz no more than this where its turn is a whole half.
    constexpr double kNoMixing = 1e-9;
    if (std::abs(state->second[2]) > kNoMixing || std::abs(state->second[5]) > kNoMixing) {
        refuse("a second pulse of 180 degrees");
    }
    state->start = {experiment.start.mx, experiment.start.my, experiment.start.mz};

    Experiment ideal = experiment;
    // The quadrature's stretch is that of this error: a hundredth of the floor.
    constexpr double kNodeTolerance = 3e-6;
    ideal.accuracy.tolerance = kNodeTolerance;
    ideal.accuracy.nodes = nodes_for(experiment);
    const UniformNodes nodes = uniform_nodes(ideal);
    const double spins =
        is_uniform(experiment) ? experiment.line.spins : experiment.lattice.sites();
    state->nodes = static_cast<int>(padded(nodes.weight.size()));
    for (AlignedArray<float>* array : {&state->turn, &state->weight, &state->root}) {
        array->resize(static_cast<std::size_t>(state->nodes));
    }
    double farthest = 0.0;
    for (std::size_t k = 0; k < nodes.weight.size(); ++k) {
        const double share = nodes.weight[k] / nodes.total_weight;
        const double offset = nodes.offset_hz[k] + experiment.line.centre_khz * kHzPerKhz;
        farthest = std::max(farthest, std::abs(offset));
        state->turn[k] = static_cast<float>(kTwoPi * offset * state->step_s);
        state->weight[k] = static_cast<float>(share);
        // A table's weights may be below 0.
        state->root[k] = static_cast<float>(std::sqrt(std::max(0.0, share) / spins));
    }
    // Share of the Nyquist limit that the line's cut may take of the samples kept.
    constexpr double kBandShare = 0.7;
    state->step = std::max(1, static_cast<int>(kBandShare / (2.0 * farthest * state->step_s)));
    state->samples = (state->points - 1) / state->step + 1;
    state->ridge = static_cast<float>(floor * floor);
    if (kTwoPi * farthest * state->step_s > kLargestTurn) {
        refuse(fmt::format("samples less than {:.2g} us apart, got {:.2g}",
                           kLargestTurn / (kTwoPi * farthest) / kSecondsPerUs, step_us));
    }
    state_ = std::move(state);
}

MeanFieldResidual::~MeanFieldResidual() = default;
MeanFieldResidual::MeanFieldResidual(MeanFieldResidual&&) noexcept = default;
MeanFieldResidual& MeanFieldResidual::operator=(MeanFieldResidual&&) noexcept = default;

int MeanFieldResidual::samples() const {
    return state_->samples;
}

int MeanFieldResidual::step() const {
    return state_->step;
}

void MeanFieldResidual::State::one(const float* signal, const MeanField& field, float* residual,
                                   Workspace& work) const {
    const MeanFieldKernel& kernel = mean_field_kernel();
    const auto width = static_cast<std::size_t>(nodes);
    const auto kept = static_cast<std::size_t>(samples);
    DrivenSpins spins{nodes,
                      turn.data(),
                      weight.data(),
                      root.data(),
                      work.spins.data(),
                      work.spins.data() + width,
                      work.spins.data() + 2 * width};
    float* const part[3] = {spins.mx, spins.my, spins.mz};
    const auto pulse_all = [&](const Matrix3& matrix) {
        for (std::size_t k = 0; k < width; ++k) {
            double before[3];
            for (std::size_t i = 0; i < 3; ++i) before[i] = static_cast<double>(part[i][k]);
            for (std::size_t i = 0; i < 3; ++i) {
                part[i][k] =
                    static_cast<float>(matrix[3 * i] * before[0] + matrix[3 * i + 1] * before[1] +
                                       matrix[3 * i + 2] * before[2]);
            }
        }
    };
    for (std::size_t i = 0; i < 3; ++i) {
        std::fill_n(part[i], width, static_cast<float>(start[i]));
    }
    pulse_all(first);

    // The field between samples. The second pulse turns M+ with what it was before.
    const float* mx = signal;
    const float* my = signal + points;
    float* const middle_x = work.middle.data();
    float* const middle_y = middle_x + points;
    if (pulse < points) {
        const auto before = [&](std::size_t i) {  // the inverse of a turn is its transpose
            return static_cast<float>(second[i] * static_cast<double>(mx[pulse]) +
                                      second[3 + i] * static_cast<double>(my[pulse]));
        };
        midpoints(mx, 0, pulse, before(0), middle_x);
        midpoints(my, 0, pulse, before(1), middle_y);
        midpoints(mx, pulse, points - 1, mx[points - 1], middle_x);
        midpoints(my, pulse, points - 1, my[points - 1], middle_y);
    } else {
        midpoints(mx, 0, points - 1, mx[points - 1], middle_x);
        midpoints(my, 0, points - 1, my[points - 1], middle_y);
    }
    const auto turned = static_cast<float>(kTwoPi * kHzPerKhz * field.summed_khz * step_s);
    DrivenStep each;
    each.decay = static_cast<float>(std::exp(-0.5 * field.transverse_per_s * step_s));
    for (int i = 0; i < points; ++i) {
        if (i == pulse) pulse_all(second);
        if (i % step == 0) {
            const auto at = static_cast<std::size_t>(i / step);
            float mean[2];
            kernel.record(spins, &work.rows[at * width], &work.rows[(kept + at) * width], mean);
            const auto off = [](float value) {
                return std::clamp(value, -kLargestOff, kLargestOff);
            };
            work.off[static_cast<Eigen::Index>(at)] = off(mx[i] - mean[0]);
            work.off[static_cast<Eigen::Index>(kept + at)] = off(my[i] - mean[1]);
        }
        if (i + 1 == points) break;
        each.turn_x = turned * middle_x[i];
        each.turn_y = turned * middle_y[i];
        kernel.step(spins, each);
    }

    // The scatter's part of the curve has this covariance, the rest the ridge's.
    kernel.gram_matrix(work.rows.data(), kept_rows(), nodes, work.covariance.data());
    work.covariance.diagonal().array() += ridge;
    const Eigen::LLT<Eigen::Ref<Matrix>, Eigen::Lower> factor(work.covariance);
    factor.solveInPlace(work.off);
    work.off *= ridge;
    std::copy_n(work.off.data(), kept_rows(), residual);
}

void MeanFieldResidual::compute(std::span<const float> signal, std::span<const MeanField> fields,
                                std::span<float> residual, int threads) const {
    const State& state = *state_;
    const std::size_t count = fields.size();
    const std::size_t row = 2 * static_cast<std::size_t>(state.points);
    const auto kept = static_cast<std::size_t>(state.kept_rows());
    if (signal.size() != count * row || residual.size() != count * kept) {
        throw std::invalid_argument(fmt::format(
            "{} fields need {} x 2 x {} samples and room for {} x 2 x {}, got {} and {}", count,
            count, state.points, count, state.samples, signal.size(), residual.size()));
    }
    const double most = kLargestTurn / (kTwoPi * kHzPerKhz * state.step_s);
    for (const MeanField& field : fields) {
        if (!(std::abs(field.summed_khz) <= most) || !(field.transverse_per_s >= 0.0) ||
            !std::isfinite(field.transverse_per_s)) {
            throw std::invalid_argument(fmt::format(
                "fields must be of {:.4g} kHz at most, at these samples, and rates >= 0, got {} "
                "kHz and {} per second",
                most, field.summed_khz, field.transverse_per_s));
        }
    }
    if (!std::all_of(signal.begin(), signal.end(), [](float m) { return std::isfinite(m); })) {
        throw std::invalid_argument("signal must be finite");
    }
    threads = team_size(threads);
    const auto width = static_cast<std::size_t>(state.nodes);
#pragma omp parallel num_threads(threads)
    {
        Workspace work;
        work.spins.resize(3 * width);
        work.rows.resize(kept * width);
        work.middle.resize(row);
        work.covariance.resize(state.kept_rows(), state.kept_rows());
        work.covariance.setZero();
        work.off.resize(state.kept_rows());
#pragma omp for schedule(dynamic, 8)
        for (std::size_t c = 0; c < count; ++c) {
            state.one(&signal[c * row], fields[c], &residual[c * kept], work);
        }
    }
}

}  // namespace nmrsim
