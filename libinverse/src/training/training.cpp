#include "training/training.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <vector>

#include "curve/disturbance.h"
#include "nmrsim/mirrored_echo.h"
#include "nmrsim/units.h"
#include "training/curve_pace.h"
#include "training/model_calibration.h"

namespace nmrinverse {
namespace {

// Calibration may take this share of a timed training; where it would take more, it does with fewer
// curves, but not fewer than these.
constexpr double kCalibrationShare = 0.15;
constexpr std::int64_t kFewestCalibrating = 512;
constexpr double kCheckpointSeconds = 5.0;

/// Share of the peak learning rate at `fraction` of the training.
double rate_at(double fraction, double warm_up) {
    if (fraction < warm_up) return std::max(fraction / warm_up, 1e-3);
    const double rest = std::min(1.0, (fraction - warm_up) / (1.0 - warm_up));
    // The learning rate ends at this share of its peak.
    constexpr double kLastRate = 0.01;
    return kLastRate + (1.0 - kLastRate) * 0.5 * (1.0 + std::cos(nmrsim::kPi * rest));
}

/// 1 for each real unknown, 0 for a categorical one.
torch::Tensor real_unknowns(const nmrsim::Prior& prior) {
    torch::Tensor real = torch::ones({static_cast<std::int64_t>(prior.size())});
    for (std::size_t k = 0; k < prior.size(); ++k) {
        if (prior[k].categorical()) real[static_cast<std::int64_t>(k)] = 0.0;
    }
    return real;
}

}  // namespace

Training::Training(TrainerState state, const TrainingOptions& options, const TrainingReport& report,
                   const TrainingPeers& peers, std::chrono::steady_clock::time_point start)
    : options_(options),
      report_(report),
      peers_(peers),
      state_(std::move(state)),
      device_(state_.model->device),
      probe_(state_.model->net.options()),
      real_(real_unknowns(state_.model->experiment.prior).to(device_)),
      plain_(state_.model->experiment.prior.size()),
      start_(start) {
    if (options_.mirrored) mirror_axis_deg_ = nmrsim::mirror_axis_deg(state_.model->experiment);
    probe_.to(device_);
}

double Training::elapsed() const {
    return state_.seconds + seconds_since(start_);
}

double Training::fraction() const {
    const double by_time = options_.minutes > 0.0 ? elapsed() / learning_seconds() : 0.0;
    const double by_steps =
        time_alone_ ? 0.0 : static_cast<double>(state_.steps) / static_cast<double>(steps_in_all_);
    return std::min(1.0, std::max(by_time, by_steps));
}

/// The same for all, whose clocks differ.
double Training::learning_rate() const {
    const double rate = options_.learning_rate * rate_at(fraction(), options_.warm_up);
    if (alone() || options_.minutes == 0.0) return rate;
    return summed(torch::full({1}, peers_.rank == 0 ? rate : 0.0)).item<double>();
}

/// Mean over the real unknowns of the logarithm of the root mean squared error over the prior's
/// standard deviation: each unknown counts by factors, not by its units.
double Training::loss_of(const torch::Tensor& mse) const {
    const torch::Tensor real = real_.to(mse.device(), mse.scalar_type());
    const double count = real.sum().item<double>();
    if (count == 0.0) return 0.0;
    return (0.5 * (12.0 * mse.detach().clamp_min(1e-30)).log() * real).sum().item<double>() / count;
}

void Training::hold_out(TrainingCurves held_out) {
    torch::NoGradGuard no_grad;
    agree();
    const torch::Generator random = generator(options_.seed, 0, Purpose::held_out_noise);
    const Features& features = state_.model->features;
    held_out_clean_ = held_out.reduced;
    held_out_noise_ = noise_levels(features.spec(), held_out.count(), random);
    held_out.reduced = disturbed(features, options_.receiver, held_out.reduced.to(device_),
                                 held_out_noise_, random);
    held_out_ = std::move(held_out);
    reserve_time();
}

double Training::calibrate_within(double seconds) {
    TrainingCurves& curves = calibrating_.curves;
    const std::int64_t all = curves.count();
    if (all == 0) return 0.0;
    double needed = calibration_seconds(state_.model->features, probe_, curves.reduced,
                                        curves.unknowns, device_);
    // The same for all, whose clocks differ.
    if (!alone()) needed = summed(torch::full({1}, needed)).item<double>() / peers_.size;
    const auto borne = static_cast<std::int64_t>(static_cast<double>(all) * seconds / needed);
    if (borne < all) {
        const std::int64_t left = std::min(all, std::max(kFewestCalibrating, borne));
        curves.reduced = curves.reduced.slice(0, 0, left);
        curves.unknowns = curves.unknowns.slice(0, 0, left);
        needed *= static_cast<double>(left) / static_cast<double>(all);
    }
    return needed;
}

/// What calibration takes does not depend on what the network has learnt.
void Training::reserve_time() {
    if (options_.minutes == 0.0) return;
    const double most = kCalibrationShare * 60.0 * options_.minutes;
    reserved_ = std::min(most, calibrate_within(most));
}

NetworkAnswer Training::run_held_out(
    const std::vector<std::pair<std::string, torch::Tensor>>& weights) {
    torch::NoGradGuard no_grad;
    const auto into = probe_.weights();
    for (std::size_t i = 0; i < into.size(); ++i) into[i].second.detach().copy_(weights[i].second);
    return run_network(state_.model->features, probe_, held_out_.reduced, held_out_noise_, device_);
}

void Training::step(const torch::Tensor& positions, const torch::Generator& random) {
    const double rate = learning_rate();
    const std::int64_t count = positions.size(0);
    const Share share = share_of(count);
    const torch::Tensor truth =
        unknowns_.index_select(0, positions.slice(0, share.begin, share.end));
    torch::Tensor inputs;
    {
        torch::NoGradGuard no_grad;
        const Features& features = state_.model->features;
        // Drawn for all of the batch, so that the draws are the same however it is shared.
        const torch::Tensor noise = noise_levels(features.spec(), count, random);
        torch::Tensor curves = pool_.index_select(0, positions);
        if (mirror_axis_deg_) curves = mirrored_by_chance(curves, *mirror_axis_deg_, random);
        curves = disturbed(features, options_.receiver, curves, noise, random);
        inputs = features.inputs(curves.slice(0, share.begin, share.end),
                                 noise.to(device_).slice(0, share.begin, share.end));
    }
    PosteriorNet& net = state_.model->net;
    const NetworkAnswer answer = net(inputs);  // (members, n, unknowns)
    const torch::Tensor squares = (answer.mean - truth).square();
    const torch::Tensor mse = squares.mean(at::IntArrayRef({0, 1}));
    // Share of the old value in a step of the running mean squared errors, and of the running
    // weights.
    constexpr double kScaleMemory = 0.98;
    constexpr double kAverageMemory = 0.99;
    constexpr double kLargestGradient = 2.0;
    {
        torch::NoGradGuard no_grad;
        const torch::Tensor of_all = alone() ? mse : summed(mse * share.weight);
        if (state_.steps == 0) state_.scale.copy_(of_all);
        state_.scale.mul_(kScaleMemory).add_(of_all, 1.0 - kScaleMemory);
    }
    // The mean squared error of each unknown over what it has been of late: its gradient is that of
    // the sum of their logarithms, so that no unknown waits for the worst one. The standard
    // deviations follow by the Gaussian likelihood of the errors as they are, and the densities
    // about both by their own likelihood. A choice has no mean.
    const torch::Tensor spread =
        (0.5 * squares.detach() * torch::exp(-2.0 * answer.log_sd) + answer.log_sd)
            .mean(at::IntArrayRef({0, 1}));
    const JointDensity density = net.densities(answer, plain_, truth);
    const torch::Tensor surprise =
        -(density.marginal.sum(-1).mean() + density.conditional.slice(2, 1).sum(-1).mean());
    // Weights of the standard deviations' loss, which teaches only them: its gradient stops at the
    // mean, and of the posterior's.
    constexpr double kSpreadWeight = 0.1;
    const torch::Tensor loss =
        (real_ * (mse / (state_.scale + 1e-12) + kSpreadWeight * spread)).sum() +
        options_.posterior_weight * surprise;
    double value = loss.item<double>();
    if (!alone()) {
        (loss * share.weight).backward();
        value = sum_gradients(value * share.weight);
    }
    // Of the whole batch: all processes stop, or none.
    if (!std::isfinite(value)) {
        throw std::runtime_error(
            fmt::format("training: the loss is {} at step {}; a smaller learning rate may help",
                        value, state_.steps + 1));
    }
    if (alone()) loss.backward();
    state_.optimizer->clip_gradients(kLargestGradient);
    state_.optimizer->step(rate);
    ++state_.steps;
    state_.model->record.curves_seen += static_cast<std::size_t>(count);

    torch::NoGradGuard no_grad;
    // The first steps' weights are forgotten sooner.
    const double steps = static_cast<double>(state_.steps);
    const double memory = std::min(kAverageMemory, (1.0 + steps) / (10.0 + steps));
    const auto weights = state_.model->net.weights();
    for (std::size_t i = 0; i < weights.size(); ++i) {
        state_.average[i].second.mul_(memory).add_(weights[i].second.detach(), 1.0 - memory);
    }
}

TrainingProgress Training::progress() const {
    TrainingProgress progress;
    progress.epoch = state_.epoch + 1;
    progress.fraction = fraction();
    if (options_.minutes > 0.0) progress.fraction *= learning_seconds() / (60.0 * options_.minutes);
    progress.curves_per_s = static_cast<double>(state_.model->record.curves_seen - seen_before_) /
                            seconds_since(start_);
    progress.train_loss = loss_of(state_.scale);
    progress.held_out_log_density = state_.held_out_log_density;
    progress.held_out_loss = state_.held_out_loss;
    progress.held_out_mse = state_.held_out_mse;
    progress.best_epoch = state_.best_epoch;
    progress.learning_rate = options_.learning_rate * rate_at(fraction(), options_.warm_up);
    return progress;
}

Training::Go Training::learn(const torch::Tensor& order, const torch::Generator& random) {
    const std::int64_t count = order.size(0);
    const std::int64_t batches = std::max<std::int64_t>(1, count / options_.batch);
    constexpr double kReportSeconds = 0.25;
    for (std::int64_t b = 0; b < batches; ++b) {
        const std::int64_t begin = b * count / batches;
        step(order.slice(0, begin, (b + 1) * count / batches).to(device_), random);
        const double now = seconds_since(start_);
        bool stop = options_.minutes > 0.0 && elapsed() >= learning_seconds();
        if (report_ && now - last_report_ > kReportSeconds) {
            last_report_ = now;
            stop = !report_(progress()) || stop;
        }
        if (any_stops(stop)) return Go::stop;
    }
    return Go::on;
}

void Training::evaluate_epoch() {
    torch::NoGradGuard no_grad;
    const NetworkAnswer answer = run_held_out(state_.average);
    const nmrsim::Prior& prior = state_.model->experiment.prior;
    const auto unknowns = static_cast<std::int64_t>(prior.size());
    const torch::Tensor errors = combined(answer).mean.clamp(0.0, 1.0) - held_out_.unknowns;
    const torch::Tensor mse = errors.to(torch::kFloat64).square().mean(0);
    state_.held_out_mse.assign(prior.size(), 0.0);
    for (std::int64_t k = 0; k < unknowns; ++k) {
        const nmrsim::PriorRange& range = prior[static_cast<std::size_t>(k)];
        state_.held_out_mse[static_cast<std::size_t>(k)] =
            mse[k].item<double>() * std::pow(range.high - range.low, 2);
    }
    // A network that knows its few curves by heart is too sure of others, but no worse for it once
    // its widths are calibrated.
    const Calibration widened = widened_calibration(probe_, answer, held_out_.unknowns);
    state_.held_out_log_density =
        joint_log_density(probe_, answer, widened, held_out_.unknowns).mean().item<double>();
    // Both in nats an unknown.
    state_.held_out_loss =
        loss_of(mse) - state_.held_out_log_density / static_cast<double>(unknowns);
    if (!std::isfinite(state_.held_out_loss)) {
        throw std::runtime_error(
            "training: the held-out loss is not a number; a smaller learning rate may help");
    }
    if (state_.best_epoch == 0 || state_.held_out_loss < state_.best_loss) {
        state_.best_loss = state_.held_out_loss;
        state_.best_mse = state_.held_out_mse;
        state_.best_log_density = state_.held_out_log_density;
        state_.best_epoch = std::max(1, state_.epoch);
        for (std::size_t i = 0; i < state_.best.size(); ++i) {
            state_.best[i].second.copy_(state_.average[i].second);
        }
    }
}

Training::Go Training::end_epoch() {
    ++state_.epoch;
    agree();
    evaluate_epoch();
    save_checkpoint();
    const bool patient =
        options_.patience == 0 || state_.epoch - state_.best_epoch < options_.patience;
    return any_stops(!patient) ? Go::stop : Go::on;
}

/// Not more often than every few seconds.
void Training::save_checkpoint() {
    const double now = seconds_since(start_);
    if (options_.checkpoint.empty() || now - last_checkpoint_ < kCheckpointSeconds) return;
    last_checkpoint_ = now;
    if (peers_.rank > 0) return;
    const double before = state_.seconds;
    state_.seconds = elapsed();
    write_checkpoint(state_, options_);
    state_.seconds = before;
}

/// Of all curves that were not learnt from, which are few where curves are: (n, width).
torch::Tensor Training::embedding_of_unlearnt(const NetworkAnswer& held_out) {
    const TrainingCurves& curves = calibrating_.curves;
    if (curves.count() == 0) return held_out.embedding[0];
    const Features& features = state_.model->features;
    const torch::Generator random = generator(options_.seed, 1, Purpose::calibration);
    const torch::Tensor noise = noise_levels(features.spec(), curves.count(), random);
    const torch::Tensor seen =
        disturbed(features, options_.receiver, curves.reduced.to(device_), noise, random);
    const NetworkAnswer answer = run_network(features, probe_, seen, noise, device_);
    return torch::cat({held_out.embedding[0], answer.embedding[0]});
}

Model Training::finish() {
    torch::NoGradGuard no_grad;
    if (report_) report_(progress());
    Model::State& model = *state_.model;
    const NetworkAnswer answer = run_held_out(state_.best);
    // The machine may be slower by now than it was in the beginning.
    if (reserved_ > 0.0) {
        double rest = 60.0 * options_.minutes - elapsed();
        if (!alone()) rest = summed(torch::full({1}, rest)).item<double>() / peers_.size;
        calibrate_within(std::max(0.0, rest));
    }
    const std::int64_t left = calibrating_.curves.count();
    const bool own = left > 0;
    model.calibration = calibrated_on(model.features, probe_, options_.receiver,
                                      own ? calibrating_.curves.reduced : held_out_clean_,
                                      own ? calibrating_.curves.unknowns : held_out_.unknowns,
                                      options_.seed, device_);
    model.record.calibrated_on =
        own ? calibrating_.told : fmt::format("{} held-out curves", held_out_.count());
    if (left < all_calibrating_) {
        model.record.calibrated_on = fmt::format("{} of {}", left, model.record.calibrated_on);
    }
    model.reference = embedding_reference(embedding_of_unlearnt(answer));
    model.net = probe_;
    if (!model.record.learnt.empty() && model.record.learnt.front().stream == "training") {
        // Of the curves that could have been simulated, those that were.
        model.record.learnt.front().count =
            static_cast<std::uint64_t>(state_.chunks) * static_cast<std::uint64_t>(chunk_);
    }
    model.record.receiver = {options_.receiver.phase_deg, options_.receiver.gain,
                             options_.time_zero_us};
    model.record.epochs = state_.epoch;
    model.record.seconds = elapsed();
    model.record.held_out_loss = state_.best_loss;
    model.record.held_out_mse = state_.best_mse;
    model.record.held_out_log_density =
        joint_log_density(probe_, answer, model.calibration, held_out_.unknowns)
            .mean()
            .item<double>();
    return Model(state_.model);
}

}  // namespace nmrinverse
