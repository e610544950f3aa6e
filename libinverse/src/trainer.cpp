#include "nmrinverse/trainer.h"

#include <fmt/format.h>
#include <omp.h>
#include <torch/torch.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <limits>
#include <optional>
#include <stdexcept>

#include "disturbance.h"
#include "nmrsim/alpha_z_aliases.h"
#include "nmrsim/experiment_file.h"
#include "nmrsim/random.h"
#include "nmrsim/units.h"
#include "trainer_state.h"
#include "training_data.h"

namespace nmrinverse {
namespace {

// The learning rate ends at this share of its peak.
constexpr double kLastRate = 0.01;
// Weights of the standard deviations' loss, which teaches only them: its gradient stops at the
// mean, and of the posterior's.
constexpr double kSpreadWeight = 0.1;
// Share of the old value in a step of the running mean squared errors, and of the running weights.
constexpr double kScaleMemory = 0.98;
constexpr double kAverageMemory = 0.99;
constexpr double kLargestGradient = 2.0;
// Errors of curves while training need not be smaller than the network's own.
constexpr double kTrainingTolerance = 1e-3;

// Simulated at once; the pool of curves to use again holds at most kPoolBytes.
constexpr std::int64_t kChunk = 8192;
constexpr std::int64_t kPoolBytes = std::int64_t{1} << 30;
// Curves that features are scaled by, and that are held out where simulated.
constexpr std::int64_t kScaleCurves = 2048;
constexpr std::int64_t kFewestHeldOut = 64;
constexpr std::int64_t kMostHeldOut = 4096;
// Simulated curves that are held out, or only looked at for scaling, lie beyond all that train.
constexpr std::uint64_t kHeldOutIndex = std::uint64_t{1} << 48;
constexpr std::uint64_t kScaleIndex = std::uint64_t{1} << 49;

// Where there are fewer curves than kManyCurves to learn from, by default so many members look at
// them through convolutions, blind to the phase. More curves than that do more for one network than
// other networks beside it.
constexpr std::size_t kManyCurves = 20'000;
constexpr int kMembersForFew = 4;

// Channels that are not linear in the curve are sampled so many times as often as the curve needs.
constexpr int kFinerForQuotients = 3;

// Multiply-adds of a step's forward pass that are worth a thread of their own.
constexpr double kWorkOfThread = 1e8;

// While it has to wait for curves, a timed training goes on with old ones, this many steps at a
// time.
constexpr std::int64_t kStepsWhileWaiting = 8;
constexpr double kReportSeconds = 0.25;
constexpr double kCheckpointSeconds = 5.0;

enum class Purpose : std::uint32_t { split = 101, order = 102, held_out_noise = 103 };

torch::Generator generator(std::uint64_t seed, std::uint64_t index, Purpose purpose) {
    nmrsim::CounterRandom random(seed, index, static_cast<nmrsim::RandomStream>(purpose));
    return at::make_generator<at::CPUGeneratorImpl>(random.bits());
}

double seconds_since(std::chrono::steady_clock::time_point start) {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

torch::Device device_of(const TrainingOptions& options) {
    const bool available = torch::cuda::is_available();
    if (options.device == "cuda" && !available) {
        throw std::invalid_argument("device cuda asked for, but this LibTorch finds none");
    }
    return options.device != "cpu" && available ? torch::Device(torch::kCUDA)
                                                : torch::Device(torch::kCPU);
}

/// What is left open by the options, settled.
TrainingOptions settled(TrainingOptions options, bool few_curves) {
    if (options.members == 0) options.members = few_curves ? kMembersForFew : 1;
    if (options.embedding == "auto") options.embedding = few_curves ? "convolution" : "dense";
    if (options.features == "auto") options.features = few_curves ? "phase-free" : "all";
    return options;
}

/// Threads that a step is shared among: with less to do, they would wait for each other.
int learning_threads(const TrainingOptions& options, int cores) {
    if (options.embedding == "convolution") return cores;
    const double weights = 2.0 * options.width * options.hidden * options.blocks;  // of a member
    return std::clamp(static_cast<int>(options.batch * weights / kWorkOfThread), 1, cores);
}

/// Share of the peak learning rate at `fraction` of the training.
double rate_at(double fraction, double warm_up) {
    if (fraction < warm_up) return std::max(fraction / warm_up, 1e-3);
    const double rest = std::min(1.0, (fraction - warm_up) / (1.0 - warm_up));
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

/// One training, from its data to a model.
class Training {
public:
    Training(TrainerState state, const TrainingOptions& options, const TrainingReport& report)
        : options_(options),
          report_(report),
          state_(std::move(state)),
          device_(state_.model->device),
          probe_(state_.model->net->options()),
          real_(real_unknowns(state_.model->experiment.prior).to(device_)),
          plain_(state_.model->experiment.prior.size()) {
        probe_->to(device_);
        probe_->eval();
    }

    /// On the curves at hand.
    Model run(const Curves& curves, Curves held_out);

    /// On `epochs * chunks_per_epoch` chunks of the stream.
    Model run(CurveStream& stream, std::int64_t chunk, std::int64_t chunks_per_epoch,
              Curves held_out);

private:
    enum class Go { on, stop };

    double elapsed() const { return state_.seconds + seconds_since(start_); }
    double fraction() const;
    void hold_out(Curves held_out);
    NetworkAnswer run_held_out(const std::vector<std::pair<std::string, torch::Tensor>>& weights);
    /// Steps through `order`, positions in the pool.
    Go learn(const torch::Tensor& order, const torch::Generator& random);
    double loss_of(const torch::Tensor& mse) const;
    void step(const torch::Tensor& positions, const torch::Generator& random);
    Go end_epoch();
    void evaluate_epoch();
    Model finish();

    const TrainingOptions& options_;
    const TrainingReport& report_;
    TrainerState state_;
    torch::Device device_;
    PosteriorNet probe_;            ///< carries averaged weights when they are looked at
    torch::Tensor real_;            ///< (unknowns), 0 for a categorical one
    Calibration plain_;             ///< that changes nothing
    torch::Tensor pool_;            ///< (capacity, 2, samples)
    torch::Tensor unknowns_;        ///< (capacity, unknowns)
    Curves held_out_;               ///< with noise
    torch::Tensor held_out_clean_;  ///< (n, 2, samples), without
    torch::Tensor held_out_noise_;  ///< (n), level of each
    long steps_in_all_ = 0;
    bool time_alone_ = false;  ///< the number of steps does not end it
    std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
    double last_report_ = 0.0;
    double last_checkpoint_ = -kCheckpointSeconds;
    std::size_t seen_before_ = 0;
};

double Training::fraction() const {
    const double by_time = options_.minutes > 0.0 ? elapsed() / (60.0 * options_.minutes) : 0.0;
    const double by_steps =
        time_alone_ ? 0.0 : static_cast<double>(state_.steps) / static_cast<double>(steps_in_all_);
    return std::min(1.0, std::max(by_time, by_steps));
}

/// Mean over the real unknowns of the logarithm of the root mean squared error over the prior's
/// standard deviation: each unknown counts by factors, not by its units.
double Training::loss_of(const torch::Tensor& mse) const {
    const torch::Tensor real = real_.to(mse.device(), mse.scalar_type());
    const double count = real.sum().item<double>();
    if (count == 0.0) return 0.0;
    return (0.5 * (12.0 * mse.detach().clamp_min(1e-30)).log() * real).sum().item<double>() / count;
}

void Training::hold_out(Curves held_out) {
    torch::NoGradGuard no_grad;
    const torch::Generator random = generator(options_.seed, 0, Purpose::held_out_noise);
    const Features& features = state_.model->features;
    held_out_clean_ = held_out.reduced;
    held_out_noise_ = noise_levels(features.spec(), held_out.count(), random);
    held_out.reduced = disturbed(features, options_.receiver, held_out.reduced.to(device_),
                                 held_out_noise_, random);
    held_out_ = std::move(held_out);
}

NetworkAnswer Training::run_held_out(
    const std::vector<std::pair<std::string, torch::Tensor>>& weights) {
    torch::NoGradGuard no_grad;
    const auto into = named_weights(probe_);
    for (std::size_t i = 0; i < into.size(); ++i) into[i].second.detach().copy_(weights[i].second);
    return run_network(state_.model->features, probe_, held_out_.reduced, held_out_noise_, device_);
}

void Training::step(const torch::Tensor& positions, const torch::Generator& random) {
    const torch::Tensor truth = unknowns_.index_select(0, positions);
    torch::Tensor inputs;
    {
        torch::NoGradGuard no_grad;
        const Features& features = state_.model->features;
        const torch::Tensor noise = noise_levels(features.spec(), positions.size(0), random);
        inputs = features.inputs(
            disturbed(features, options_.receiver, pool_.index_select(0, positions), noise, random),
            noise.to(device_));
    }
    PosteriorNet& net = state_.model->net;
    const NetworkAnswer answer = net->forward(inputs);  // (members, n, unknowns)
    const torch::Tensor squares = (answer.mean - truth).square();
    const torch::Tensor mse = squares.mean(at::IntArrayRef({0, 1}));
    {
        torch::NoGradGuard no_grad;
        if (state_.steps == 0) state_.scale.copy_(mse);
        state_.scale.mul_(kScaleMemory).add_(mse, 1.0 - kScaleMemory);
    }
    // The mean squared error of each unknown over what it has been of late: its gradient is that of
    // the sum of their logarithms, so that no unknown waits for the worst one. The standard
    // deviations follow by the Gaussian likelihood of the errors as they are, and the densities
    // about both by their own likelihood. A choice has no mean.
    const torch::Tensor spread =
        (0.5 * squares.detach() * torch::exp(-2.0 * answer.log_sd) + answer.log_sd)
            .mean(at::IntArrayRef({0, 1}));
    const JointDensity density = net->densities(answer, plain_, truth);
    const torch::Tensor surprise =
        -(density.marginal.sum(-1).mean() + density.conditional.slice(2, 1).sum(-1).mean());
    const torch::Tensor loss =
        (real_ * (mse / (state_.scale + 1e-12) + kSpreadWeight * spread)).sum() +
        options_.posterior_weight * surprise;
    const double value = loss.item<double>();
    if (!std::isfinite(value)) {
        throw std::runtime_error(
            fmt::format("training: the loss is {} at step {}; a smaller learning rate may help",
                        value, state_.steps + 1));
    }
    loss.backward();
    state_.optimizer->clip_gradients(kLargestGradient);
    state_.optimizer->step(options_.learning_rate * rate_at(fraction(), options_.warm_up));
    ++state_.steps;
    state_.model->record.curves_seen += static_cast<std::size_t>(positions.size(0));

    torch::NoGradGuard no_grad;
    // The first steps' weights are forgotten sooner.
    const double steps = static_cast<double>(state_.steps);
    const double memory = std::min(kAverageMemory, (1.0 + steps) / (10.0 + steps));
    const auto weights = named_weights(state_.model->net);
    for (std::size_t i = 0; i < weights.size(); ++i) {
        state_.average[i].second.mul_(memory).add_(weights[i].second.detach(), 1.0 - memory);
    }
}

Training::Go Training::learn(const torch::Tensor& order, const torch::Generator& random) {
    const std::int64_t count = order.size(0);
    const std::int64_t batches = std::max<std::int64_t>(1, count / options_.batch);
    for (std::int64_t b = 0; b < batches; ++b) {
        const std::int64_t begin = b * count / batches;
        step(order.slice(0, begin, (b + 1) * count / batches).to(device_), random);
        const double now = seconds_since(start_);
        if (report_ && now - last_report_ > kReportSeconds) {
            last_report_ = now;
            TrainingProgress progress;
            progress.epoch = state_.epoch + 1;
            progress.fraction = fraction();
            progress.curves_per_s =
                static_cast<double>(state_.model->record.curves_seen - seen_before_) / now;
            progress.train_loss = loss_of(state_.scale);
            progress.held_out_log_density = state_.held_out_log_density;
            progress.held_out_loss = state_.held_out_loss;
            progress.held_out_mse = state_.held_out_mse;
            progress.learning_rate =
                options_.learning_rate * rate_at(progress.fraction, options_.warm_up);
            if (!report_(progress)) return Go::stop;
        }
        if (options_.minutes > 0.0 && elapsed() >= 60.0 * options_.minutes) return Go::stop;
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
    evaluate_epoch();
    const double now = seconds_since(start_);
    if (!options_.checkpoint.empty() && now - last_checkpoint_ >= kCheckpointSeconds) {
        last_checkpoint_ = now;
        const double before = state_.seconds;
        state_.seconds = elapsed();
        write_checkpoint(state_, options_);
        state_.seconds = before;
    }
    const bool patient =
        options_.patience == 0 || state_.epoch - state_.best_epoch < options_.patience;
    return patient ? Go::on : Go::stop;
}

Model Training::finish() {
    torch::NoGradGuard no_grad;
    Model::State& model = *state_.model;
    const NetworkAnswer answer = run_held_out(state_.best);
    model.calibration = calibrated_on(model.features, probe_, options_.receiver, held_out_clean_,
                                      held_out_.unknowns, options_.seed, device_);
    model.reference = embedding_reference(answer.embedding[0]);
    model.net = probe_;
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

Model Training::run(const Curves& curves, Curves held_out) {
    hold_out(std::move(held_out));
    pool_ = curves.reduced.to(device_);
    unknowns_ = curves.unknowns.to(device_);
    seen_before_ = state_.model->record.curves_seen;
    steps_in_all_ = static_cast<long>(options_.epochs) *
                    std::max<long>(1, static_cast<long>(curves.count()) / options_.batch);
    Go go = Go::on;
    while (go == Go::on && state_.epoch < options_.epochs) {
        const torch::Generator random =
            generator(options_.seed, static_cast<std::uint64_t>(state_.epoch), Purpose::order);
        go = learn(torch::randperm(curves.count(), random), random);
        if (go == Go::on) go = end_epoch();
    }
    if (state_.best_epoch == 0 || options_.minutes > 0.0) evaluate_epoch();
    return finish();
}

Model Training::run(CurveStream& stream, std::int64_t chunk, std::int64_t chunks_per_epoch,
                    Curves held_out) {
    const std::int64_t unknowns = held_out.unknowns.size(1);
    const std::int64_t samples = held_out.reduced.size(2);
    hold_out(std::move(held_out));
    const std::int64_t chunks_in_all = options_.epochs * chunks_per_epoch;
    // The pool is a ring of chunks.
    const std::int64_t ring = std::clamp<std::int64_t>(
        kPoolBytes / (chunk * (2 * samples + unknowns) * 4), 1, chunks_in_all);
    const torch::TensorOptions on_device(device_);
    pool_ = torch::empty({ring * chunk, 2, samples}, on_device);
    unknowns_ = torch::empty({ring * chunk, unknowns}, on_device);
    const auto store = [&](std::int64_t index, const Curves& curves) {
        const std::int64_t at = index % ring * chunk;
        pool_.slice(0, at, at + chunk).copy_(curves.reduced);
        unknowns_.slice(0, at, at + chunk).copy_(curves.unknowns);
    };
    // A resumed training finds its pool as it was.
    for (std::int64_t c = std::max<std::int64_t>(0, state_.chunks - ring); c < state_.chunks; ++c) {
        stream.start(c);
        store(c, stream.take());
    }
    time_alone_ = options_.minutes > 0.0;
    seen_before_ = state_.model->record.curves_seen;
    steps_in_all_ = static_cast<long>(
        chunks_in_all * std::max<std::int64_t>(1, options_.replays * chunk / options_.batch));
    start_ = std::chrono::steady_clock::now();
    if (state_.chunks < chunks_in_all) stream.start(state_.chunks);

    Go go = Go::on;
    while (go == Go::on && state_.chunks < chunks_in_all) {
        const torch::Generator random =
            generator(options_.seed, static_cast<std::uint64_t>(state_.chunks), Purpose::order);
        // Only a timed training may do what depends on time.
        while (time_alone_ && state_.chunks > 0 && go == Go::on && !stream.ready()) {
            const std::int64_t filled = std::min(ring, state_.chunks) * chunk;
            go = learn(
                torch::randint(filled, {kStepsWhileWaiting * options_.batch}, random, torch::kLong),
                random);
        }
        if (go == Go::stop) break;
        store(state_.chunks, stream.take());
        if (state_.chunks + 1 < chunks_in_all) stream.start(state_.chunks + 1);
        const std::int64_t filled = std::min(ring, state_.chunks + 1) * chunk;
        torch::Tensor order = torch::cat(
            {torch::arange(chunk) + state_.chunks % ring * chunk,
             torch::randint(filled, {(options_.replays - 1) * chunk}, random, torch::kLong)});
        order = order.index_select(0, torch::randperm(order.size(0), random));
        go = learn(order, random);
        if (go == Go::stop) break;
        ++state_.chunks;
        if (state_.chunks % chunks_per_epoch == 0) go = end_epoch();
    }
    // All curves simulated and time left: on with what there is.
    while (go == Go::on && time_alone_) {
        const torch::Generator random =
            generator(options_.seed, static_cast<std::uint64_t>(state_.steps), Purpose::order);
        const std::int64_t filled = std::min(ring, chunks_in_all) * chunk;
        go = learn(torch::randperm(filled, random), random);
        if (go == Go::on) go = end_epoch();
    }
    if (state_.best_epoch == 0 || time_alone_) evaluate_epoch();
    return finish();
}

/// Features for curves like these.
///
/// Args: signal: (count, 2, points).
Features features_for(const nmrsim::Experiment& experiment, std::span<const float> signal,
                      std::size_t count, const TrainingOptions& options, int threads) {
    const int points = experiment.acquisition.points;
    FeatureSpec spec = options.features == "phase-free" ? phase_free_features() : FeatureSpec();
    int step = std::max(decimation_for(signal, count, points), decimation_for(experiment));
    // A logarithm and a quotient are not as smooth as the curve that they are made of.
    if (options.features == "phase-free") step = std::max(1, step / kFinerForQuotients);
    spec.low_pass = make_low_pass(points, step);
    spec.noise_low = options.noise_low;
    spec.noise_high = options.noise_high;
    Features features(spec);
    torch::Tensor reduced =
        torch::empty({static_cast<std::int64_t>(count), 2, spec.low_pass.samples});
    apply_low_pass(spec.low_pass, signal, count,
                   {reduced.data_ptr<float>(), static_cast<std::size_t>(reduced.numel())}, threads);
    features.standardise(reduced);
    return features;
}

bool resumes(const TrainingOptions& options) {
    return options.resume && !options.checkpoint.empty() &&
           std::filesystem::exists(options.checkpoint);
}

/// The data set's curves at these positions.
nmrsim::Dataset rows_of(const nmrsim::Dataset& data, const torch::Tensor& positions) {
    nmrsim::Dataset rows = data;
    rows.signal.clear();
    rows.parameters.clear();
    const std::size_t values = 2 * data.points();
    const std::size_t unknowns = data.unknowns.size();
    const torch::Tensor order = positions.contiguous();
    for (std::int64_t at = 0; at < order.size(0); ++at) {
        const auto row = static_cast<std::size_t>(order[at].item<std::int64_t>());
        const auto piece = [row](const auto& all, std::size_t size) {
            return std::span(all).subspan(row * size, size);
        };
        const std::span<const float> curve = piece(data.signal, values);
        const std::span<const double> truth = piece(data.parameters, unknowns);
        rows.signal.insert(rows.signal.end(), curve.begin(), curve.end());
        rows.parameters.insert(rows.parameters.end(), truth.begin(), truth.end());
    }
    return rows;
}

Curves picked(const Curves& curves, const torch::Tensor& positions) {
    return {curves.reduced.index_select(0, positions), curves.unknowns.index_select(0, positions)};
}

}  // namespace

Model train(const nmrsim::Dataset& data, const TrainingOptions& given,
            const TrainingReport& report) {
    given.validate();
    require_usable(data);
    const bool few_curves = data.count() < kManyCurves;
    const TrainingOptions options = settled(given, few_curves);
    const auto count = static_cast<std::int64_t>(data.count());
    const auto held_out =
        std::max<std::int64_t>(1, std::llround(options.held_out * static_cast<double>(count)));
    if (count < 2) {
        throw std::invalid_argument(
            fmt::format("the data set must hold at least 2 curves to train on, got {}", count));
    }
    if (options.time_zero_us > 0.0) {
        throw std::invalid_argument(
            "training.time_zero_us must be 0 for a data set: only simulated curves can be shifted");
    }
    const ThreadGuard threads(
        learning_threads(options, options.threads > 0 ? options.threads : omp_get_num_procs()));
    const torch::Device device = device_of(options);
    nmrsim::Experiment experiment =
        nmrsim::parse_experiment(data.experiment_toml, "the data set's experiment");
    experiment.prior = data.unknowns;
    if (static_cast<std::size_t>(experiment.acquisition.points) != data.points()) {
        throw std::invalid_argument(
            fmt::format("the data set's curves must have the {} points of its experiment, got {}",
                        experiment.acquisition.points, data.points()));
    }
    std::optional<TrainerState> state;
    if (resumes(options)) {
        state = read_checkpoint(experiment, options, device);
    } else {
        const std::size_t sample = std::min(data.count(), static_cast<std::size_t>(kScaleCurves));
        state = new_trainer_state(
            experiment,
            features_for(experiment, std::span(data.signal).first(sample * 2 * data.points()),
                         sample, options, options.threads),
            options, device);
    }
    const LowPass& low_pass = state->model->features.spec().low_pass;
    const torch::Tensor order = torch::randperm(count, generator(options.seed, 0, Purpose::split));
    const torch::Tensor to_learn = order.slice(0, held_out);
    const Curves curves = low_passed(data, low_pass, options.threads);
    Curves learnt = picked(curves, to_learn);
    if (options.alpha_z_aliases && few_curves && nmrsim::has_alpha_z_aliases(experiment)) {
        learnt = low_passed(
            nmrsim::with_alpha_z_aliases(rows_of(data, to_learn), options.threads), low_pass,
            options.threads);
    }
    return Training(std::move(*state), options, report)
        .run(learnt, picked(curves, order.slice(0, 0, held_out)));
}

Model train(const nmrsim::Experiment& described, const TrainingOptions& given,
            const TrainingReport& report) {
    given.validate();
    TrainingOptions options = settled(given, false);
    described.validate();
    if (described.prior.empty()) {
        throw std::invalid_argument("prior must name at least one unknown to train for, got none");
    }
    if (options.curves_per_epoch < 1) {
        throw std::invalid_argument("training.curves_per_epoch must be >= 1, got 0");
    }
    if (options.noise_high == 0.0 && described.acquisition.noise > 0.0) {
        options.noise_low = options.noise_high = described.acquisition.noise;
    }
    const int cores = options.threads > 0 ? options.threads : omp_get_num_procs();
    const torch::Device device = device_of(options);
    // Some cores simulate while the others learn: none waits for another within a step.
    const int learners = device.is_cuda() ? 1 : learning_threads(options, std::max(1, cores / 2));
    const int producers = std::max(1, cores - learners);
    const ThreadGuard threads(learners);

    // Noise comes afresh each time a curve is used.
    nmrsim::Experiment experiment = described;
    experiment.acquisition.noise = 0.0;
    const nmrsim::Dataset sample = nmrsim::generate_dataset(
        experiment, static_cast<std::size_t>(kScaleCurves), options.seed, kScaleIndex, cores);
    nmrsim::Experiment coarse = experiment;
    coarse.accuracy.tolerance = std::max(coarse.accuracy.tolerance, kTrainingTolerance);

    std::optional<TrainerState> state;
    if (resumes(options)) {
        state = read_checkpoint(described, options, device);
    } else {
        state = new_trainer_state(
            described, features_for(experiment, sample.signal, sample.count(), options, cores),
            options, device);
    }
    const LowPass& low_pass = state->model->features.spec().low_pass;
    const auto per_epoch = static_cast<std::int64_t>(options.curves_per_epoch);
    const std::int64_t chunks_per_epoch = (per_epoch + kChunk - 1) / kChunk;
    const std::int64_t chunk = per_epoch / chunks_per_epoch;
    const auto all = static_cast<double>(per_epoch) * options.epochs;
    const std::int64_t held_out = std::clamp<std::int64_t>(std::llround(options.held_out * all),
                                                           kFewestHeldOut, kMostHeldOut);
    const std::atomic<bool> stop = false;
    Curves held_out_curves =
        simulate_curves({experiment, low_pass, options.seed, options.time_zero_us}, kHeldOutIndex,
                        held_out, cores, stop);
    CurveStream stream({coarse, low_pass, options.seed, options.time_zero_us}, chunk, producers);
    return Training(std::move(*state), options, report)
        .run(stream, chunk, chunks_per_epoch, std::move(held_out_curves));
}

}  // namespace nmrinverse
