// Training: the same again from the same seed, resumed as if never stopped, honest about bad input.
#include "nmrinverse/trainer.h"

#include "network/torch.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <barrier>
#include <fstream>
#include <limits>
#include <numeric>
#include <optional>
#include <thread>
#include <tuple>

#include "catch_compat.h"
#include "model/tensor_file.h"
#include "nmrsim/dataset_file.h"
#include "nmrsim/errors.h"
#include "training/curve_pace.h"
#include "training/training_data.h"
#include "training_problem.h"

using namespace nmrinverse;

namespace {

/// The model's weights and all else that is in its file but for the time it took.
TensorFile content(const Model& model, const TestFolder& folder) {
    const std::string path = folder.file("content.safetensors");
    save_model(model, path);
    TensorFile file = read_tensor_file(path);
    file.metadata.erase("record");
    return file;
}

void require_same(const TensorFile& a, const TensorFile& b) {
    CHECK(a.metadata == b.metadata);
    REQUIRE(a.tensors.size() == b.tensors.size());
    for (const auto& [name, tensor] : a.tensors) {
        INFO(name);
        CHECK(tensor.values == b.tensors.at(name).values);
    }
}

/// Stops a training at its first report in `epoch`.
TrainingReport stop_in(int epoch) {
    return [epoch](const TrainingProgress& progress) { return progress.epoch < epoch; };
}

/// Echoes of a short window, cheap to simulate.
nmrsim::Experiment echo_experiment() {
    nmrsim::Experiment experiment = small_experiment(128);
    experiment.sequence.program = nmrsim::HahnEcho{60.0, 2.0, 0.0, 90.0, 20.0};
    return experiment;
}

/// Options for a set of linear_dataset() that does not fit: 64 points and 2 unknowns take 528 bytes
/// a curve, so that 1 MiB holds 1985.
TrainingOptions streaming() {
    TrainingOptions options = small_training();
    options.memory_mb = 1;
    options.members = 1;
    options.embedding = Embedding::dense;
    options.features = CurveFeatures::all;
    options.noise_low = 0.01;
    options.noise_high = 0.1;
    return options;
}

/// Trains with two threads as the two processes. `train_one(peers)` returns a model.
template <typename TrainOne>
std::vector<Model> train_as_two(const TrainOne& train_one) {
    std::barrier meet(2);
    std::array<std::span<float>, 2> arrays;
    std::array<int, 2> numbers{};
    std::atomic<bool> first_has_its_weights = false;
    const auto peers_of = [&](int rank) {
        TrainingPeers peers{rank, 2, {}, {}};
        peers.sum = [&, rank](std::span<float> values) {
            first_has_its_weights = true;
            arrays[static_cast<std::size_t>(rank)] = values;
            meet.arrive_and_wait();
            if (rank == 0) {
                REQUIRE(arrays[0].size() == arrays[1].size());
                for (std::size_t i = 0; i < values.size(); ++i) {
                    arrays[0][i] = arrays[1][i] = arrays[0][i] + arrays[1][i];
                }
            }
            meet.arrive_and_wait();
        };
        peers.largest = [&, rank](int value) {
            numbers[static_cast<std::size_t>(rank)] = value;
            meet.arrive_and_wait();
            const int most = std::max(numbers[0], numbers[1]);
            meet.arrive_and_wait();
            return most;
        };
        return peers;
    };
    std::optional<Model> other;
    std::thread second([&] {
        // Torch draws first weights from one generator for all threads.
        while (!first_has_its_weights) std::this_thread::yield();
        other = train_one(peers_of(1));
    });
    Model model = train_one(peers_of(0));
    second.join();
    return {model, *other};
}

}  // namespace

TEST_CASE("A data set larger than memory: the same from one file or many, stopped or not",
          "[trainer]") {
    const TestFolder folder("trainer_test_stream");
    const nmrsim::Dataset data = linear_dataset(4000, 0.0, 1);
    nmrsim::write_dataset(data, folder.file("whole.h5"));
    const nmrsim::DatasetReader whole({folder.file("whole.h5")});
    // Cut anywhere.
    std::vector<std::string> parts;
    for (const auto& [first, count] : {std::pair{0, 1}, {1, 2699}, {2700, 1300}}) {
        nmrsim::Dataset part =
            whole.rows(static_cast<std::size_t>(first), static_cast<std::size_t>(count));
        parts.push_back(folder.file("part" + std::to_string(first) + ".h5"));
        nmrsim::write_dataset(part, parts.back());
    }
    TrainingOptions options = streaming();
    options.epochs = 6;
    const Model streamed = train(whole, options);
    CHECK(streamed.record().epochs == 6);
    // 400 are to be held out, of which the first of every 15 curves are 256, and the curves that
    // are left over where whole runs end are less than a run.
    CHECK(streamed.record().curves_seen % 6 == 0);
    CHECK(streamed.record().curves_seen <= 6 * 256 * 14);
    CHECK(streamed.record().curves_seen > 6 * 256 * 14 / 2);
    const TensorFile expected = content(streamed, folder);
    require_same(expected, content(train(nmrsim::DatasetReader(parts), options), folder));

    // Stopped in the middle of a pass.
    options.checkpoint = folder.file("checkpoint");
    train(whole, options, stop_in(3));
    REQUIRE(std::filesystem::exists(options.checkpoint));
    options.resume = true;
    require_same(expected, content(train(whole, options), folder));

    // A set that fits is trained on as if it were at hand.
    TrainingOptions roomy = streaming();
    roomy.epochs = 2;
    roomy.memory_mb = 512;
    require_same(content(train(data, roomy), folder), content(train(whole, roomy), folder));
}

TEST_CASE("A data set larger than memory is learned from as well as one that fits", "[trainer]") {
    const TestFolder folder("trainer_test_stream_error");
    nmrsim::write_dataset(linear_dataset(4000, 0.0, 1), folder.file("whole.h5"));
    const nmrsim::DatasetReader whole({folder.file("whole.h5")});
    TrainingOptions options = streaming();
    options.epochs = 12;  // until little is left to learn: early on the loss depends on the order
    const nmrsim::Dataset fresh = linear_dataset(2000, 0.05, 9);
    const auto log_density = [&] {
        const Model model = train(whole, options);
        const std::vector<double> at_truth =
            model.posterior(fresh.signal, fresh.count(), 0.05).log_prob(fresh.parameters);
        return std::accumulate(at_truth.begin(), at_truth.end(), 0.0) /
               static_cast<double>(at_truth.size());
    };
    const double streamed = log_density();
    options.memory_mb = 512;
    const double at_hand = log_density();
    // Nats of two unknowns: two seeds of either kind differ by up to 0.1.
    CHECK(std::abs(streamed - at_hand) < 0.3);
}

TEST_CASE("Two processes train the model of one, to rounding", "[trainer]") {
    const TestFolder folder("trainer_test_peers");
    const nmrsim::Dataset data = linear_dataset(3000, 0.0, 1);
    nmrsim::write_dataset(data, folder.file("whole.h5"));
    TrainingOptions options = streaming();
    options.threads = 1;
    options.epochs = 1;
    options.batch = 901;  // not even
    const auto compare = [&](const auto& train_one) {
        const Model alone = train_one(TrainingPeers{});
        const std::vector<Model> two = train_as_two(train_one);
        CHECK(two[0].record().curves_seen == alone.record().curves_seen);
        // Two or three steps: each adds float's 6e-8 in another order, which Muon, that makes all
        // singular values of a gradient one, blows up in those near zero; fifty steps would leave
        // 0.02. Other draws of the noise or the batches change it by 0.1.
        CHECK(two[0].record().held_out_loss == Approx(alone.record().held_out_loss).margin(1e-3));
        // Both hold the same model.
        require_same(content(two[0], folder), content(two[1], folder));
    };
    SECTION("at hand") {
        compare([&](const TrainingPeers& peers) { return train(data, options, {}, peers); });
    }
    SECTION("streamed") {
        compare([&](const TrainingPeers& peers) {
            return train(nmrsim::DatasetReader({folder.file("whole.h5")}), options, {}, peers);
        });
    }
    SECTION("simulated") {
        options.curves_per_epoch = 1000;
        compare([&](const TrainingPeers& peers) {
            return train(echo_experiment(), options, {}, peers);
        });
    }
}

TEST_CASE("The same seed gives the same model; another seed another one", "[trainer]") {
    const TestFolder folder("trainer_test_seed");
    const nmrsim::Dataset data = linear_dataset(1500, 0.05, 1);
    TrainingOptions options = small_training();
    options.noise_low = 0.01;  // drawn on the fly, so its draws count too
    options.noise_high = 0.1;
    const TensorFile first = content(train(data, options), folder);
    require_same(first, content(train(data, options), folder));
    options.seed = 2;
    const TensorFile other = content(train(data, options), folder);
    CHECK(first.tensors.at("member0.embedding.input.weight").values !=
          other.tensors.at("member0.embedding.input.weight").values);
}

TEST_CASE("A training on a data set that was stopped and resumed ends as if it had not been",
          "[trainer]") {
    const TestFolder folder("trainer_test_resume");
    const nmrsim::Dataset data = linear_dataset(3000, 0.05, 1);
    TrainingOptions options = small_training();
    options.epochs = 12;
    const TensorFile whole = content(train(data, options), folder);
    options.checkpoint = folder.file("checkpoint");
    train(data, options, stop_in(3));
    REQUIRE(std::filesystem::exists(options.checkpoint));
    options.resume = true;
    int first_epoch = 0;
    const Model resumed = train(data, options, [&](const TrainingProgress& progress) {
        if (!first_epoch) first_epoch = progress.epoch;
        return true;
    });
    CHECK(first_epoch != 1);
    CHECK(resumed.record().epochs == 12);
    require_same(whole, content(resumed, folder));
}

TEST_CASE("A network with convolutions trains, resumes and is the same once read back",
          "[trainer]") {
    const TestFolder folder("trainer_test_convolution");
    const nmrsim::Dataset data = linear_dataset(1500, 0.05, 1);
    TrainingOptions options = small_training();
    options.embedding = Embedding::convolution;
    options.epochs = 8;
    const Model model = train(data, options);
    const TensorFile whole = content(model, folder);
    CHECK(whole.tensors.count("member0.embedding.convolutions.stage0.first.weight") == 1);
    options.checkpoint = folder.file("checkpoint");
    train(data, options, stop_in(3));
    REQUIRE(std::filesystem::exists(options.checkpoint));
    options.resume = true;
    require_same(whole, content(train(data, options), folder));

    const Model back = load_model(folder.file("content.safetensors"));
    const std::size_t points = data.points();
    const Predictions a = model.predict(std::span(data.signal).first(20 * points), 10);
    const Predictions b = back.predict(std::span(data.signal).first(20 * points), 10);
    CHECK(a.mean == b.mean);
    CHECK(a.sd == b.sd);
}

TEST_CASE("A training on simulated curves is reproducible and resumes", "[trainer]") {
    const TestFolder folder("trainer_test_simulated");
    const nmrsim::Experiment experiment = echo_experiment();
    TrainingOptions options = small_training();
    options.curves_per_epoch = 600;
    options.noise_low = options.noise_high = 1e-3;
    const TensorFile whole = content(train(experiment, options), folder);
    require_same(whole, content(train(experiment, options), folder));

    // The checkpoint of the first epoch, as a training that is killed leaves it.
    options.checkpoint = folder.file("checkpoint");
    train(experiment, options);
    REQUIRE(std::filesystem::exists(options.checkpoint));
    options.resume = true;
    const Model resumed = train(experiment, options);
    // Three epochs of 600 curves, each used twice.
    CHECK(resumed.record().curves_seen == 3600);
    require_same(whole, content(resumed, folder));

    options.learning_rate *= 2.0;
    CHECK_THROWS_WITH(train(experiment, options), ContainsSubstring("expected the checkpoint of"));
    std::ofstream(options.checkpoint) << "rubbish";
    CHECK_THROWS_AS(train(experiment, options), nmrsim::InputError);
}

TEST_CASE("What receiver and clock are free to do is learnt not to matter", "[trainer]") {
    nmrsim::Experiment experiment = echo_experiment();
    experiment.acquisition.start_us = 25.0;  // room for a clock that is off
    experiment.acquisition.stop_us = 55.0;
    TrainingOptions options = small_training();
    options.epochs = 6;
    options.curves_per_epoch = 3000;
    options.noise_low = options.noise_high = 1e-3;
    const Model plain = train(experiment, options);
    options.receiver = {90.0, 0.5};
    options.time_zero_us = 0.5;
    const Model free = train(experiment, options);

    const std::size_t count = 400;
    const nmrsim::Dataset test = nmrsim::generate_dataset(experiment, count, 9);
    nmrsim::Experiment late = experiment;
    late.acquisition.start_us += 0.4;
    late.acquisition.stop_us += 0.4;
    const nmrsim::Dataset shifted = nmrsim::generate_dataset(late, count, 9);
    // Turned by 70 degrees, and 1.4 times as large.
    nmrsim::Dataset received = test;
    const std::size_t points = test.points();
    const auto re = static_cast<float>(1.4 * std::cos(70.0 * nmrsim::kPi / 180.0));
    const auto im = static_cast<float>(1.4 * std::sin(70.0 * nmrsim::kPi / 180.0));
    for (std::size_t i = 0; i < count; ++i) {
        for (std::size_t t = 0; t < points; ++t) {
            float& mx = received.signal[2 * i * points + t];
            float& my = received.signal[(2 * i + 1) * points + t];
            std::tie(mx, my) = std::pair(re * mx - im * my, im * mx + re * my);
        }
    }
    // Mean squared error of the first unknown over that of the same model on curves as simulated.
    const auto grows = [&](const Model& model, const nmrsim::Dataset& curves) {
        const auto mse = [&](const nmrsim::Dataset& data) {
            const Predictions answer = model.predict(data.signal, count, 1e-3);
            const std::size_t unknowns = experiment.prior.size();
            double sum = 0.0;
            for (std::size_t i = 0; i < count; ++i) {
                const double error = answer.mean[i * unknowns] - data.parameters[i * unknowns];
                sum += error * error;
            }
            return sum / static_cast<double>(count);
        };
        return mse(curves) / mse(test);
    };
    // Both lie toward the ends of what was learnt, where errors are larger.
    CHECK(grows(free, received) < 3.0);
    CHECK(grows(free, shifted) < 3.0);
    // Nothing was said of them to the other.
    CHECK(grows(plain, received) > 100.0);
    CHECK(grows(plain, shifted) > 10.0);
}

TEST_CASE("A timed training ends in time, and its model works", "[trainer]") {
    TrainingOptions options = small_training();
    options.minutes = 2.0 / 60.0;
    options.epochs = 2;
    options.curves_per_epoch = 1 << 20;  // more than fit
    double last = 0.0;
    const Model model = train(echo_experiment(), options, [&](const TrainingProgress& progress) {
        CHECK(progress.fraction >= last);
        last = progress.fraction;
        return true;
    });
    CHECK(model.record().seconds >= 1.0);
    // Its calibration is a part of the time. A step more than asked for; ten seconds on a machine
    // that does much else.
    CHECK(model.record().seconds < 12.0);
    const nmrsim::Dataset test = nmrsim::generate_dataset(echo_experiment(), 10, 9);
    CHECK(model.predict(test.signal, 10).count == 10);
}

TEST_CASE("Early stopping keeps the best weights", "[trainer]") {
    // Forty curves of pure noise: nothing to learn, so the held-out part soon gets worse.
    nmrsim::Dataset data = linear_dataset(40, 10.0, 1);
    TrainingOptions options = small_training();
    options.epochs = 500;
    options.held_out = 0.5;
    options.patience = 5;
    int kept = 0;
    const Model model = train(data, options, [&](const TrainingProgress& progress) {
        kept = progress.best_epoch;
        return true;
    });
    CHECK(model.record().epochs < 500);
    CHECK(model.record().epochs == kept + 5);  // said in the end
    // Both its parts, the estimate's and the posterior's, are 0 for the prior: no worse than that
    // by more than chance (0.2 each).
    CHECK(model.record().held_out_loss < 0.4);
}

TEST_CASE("Bad options and bad data are refused with their value", "[trainer]") {
    TrainingOptions options = small_training();
    const nmrsim::Dataset data = linear_dataset(100, 0.05, 1);
    const auto refused = [&](auto change, const char* message) {
        TrainingOptions changed = options;
        change(changed);
        CHECK_THROWS_WITH(train(data, changed), ContainsSubstring(message));
    };
    refused([](TrainingOptions& o) { o.epochs = 0; }, "epochs must be >= 1, got 0");
    refused([](TrainingOptions& o) { o.held_out = 0.7; }, "held_out must be in (0, 0.5], got 0.7");
    refused([](TrainingOptions& o) { o.learning_rate = -1.0; },
            "learning_rate must be > 0, got -1");
    refused([](TrainingOptions& o) { o.noise_high = 0.1; }, "noise_low must be > 0");
    refused([](TrainingOptions& o) { o.members = 0; }, "members must be in [1, 64], got 0");

    nmrsim::Dataset broken = data;
    broken.signal[5 * 128 + 3] = std::numeric_limits<float>::quiet_NaN();
    CHECK_THROWS_WITH(train(broken, options), ContainsSubstring("curve 5"));
    broken = data;
    broken.parameters.clear();
    CHECK_THROWS_AS(train(broken, options), std::invalid_argument);
    CHECK_THROWS_AS(train(linear_dataset(1, 0.05, 1), options), std::invalid_argument);
    nmrsim::Experiment experiment = echo_experiment();
    CHECK_THROWS_WITH(train(experiment, options),
                      ContainsSubstring("curves_per_epoch must be >= 1"));
    experiment.prior.clear();
    CHECK_THROWS_WITH(train(experiment, options), ContainsSubstring("prior"));
}

TEST_CASE("A training that runs away says so", "[trainer]") {
    TrainingOptions options = small_training();
    options.learning_rate = 1e30;
    CHECK_THROWS_AS(train(linear_dataset(2000, 0.05, 1), options), std::runtime_error);
}

TEST_CASE("Curves simulated for training are none that a data set of the same seed holds",
          "[trainer]") {
    const nmrsim::Experiment experiment = echo_experiment();
    const nmrsim::Dataset written = nmrsim::generate_dataset(experiment, 50, 1);
    const nmrsim::Dataset drawn = training_curves(experiment, 50, 1, 0, 1);
    REQUIRE(drawn.count() == 50);
    for (const double value : drawn.parameters) {
        CHECK(std::count(written.parameters.begin(), written.parameters.end(), value) == 0);
    }
    // They are curves of what they say, and depend on their index alone.
    std::vector<float> again(drawn.signal.size());
    nmrsim::simulate_batch(experiment, drawn.parameters, {}, again, 1);
    CHECK(again == drawn.signal);
    const nmrsim::Dataset later = training_curves(experiment, 10, 1, 40, 1);
    CHECK(std::equal(later.parameters.begin(), later.parameters.end(),
                     drawn.parameters.begin() + 40 * static_cast<long>(drawn.unknowns.size())));
}

TEST_CASE("A model knows which curves it learnt from", "[trainer]") {
    const TestFolder folder("trainer_test_learnt");
    // Curves 100 ... 399 of seed 5, in two files.
    nmrsim::Dataset data = linear_dataset(300, 0.05, 5);
    data.version = "test";
    data.first_index = 100;
    nmrsim::write_dataset(data, folder.file("whole.h5"));
    const nmrsim::DatasetReader whole({folder.file("whole.h5")});
    nmrsim::write_dataset(whole.rows(0, 120), folder.file("a.h5"));
    nmrsim::write_dataset(whole.rows(120, 180), folder.file("b.h5"));
    TrainingOptions options = small_training();
    options.epochs = 1;
    save_model(train(nmrsim::DatasetReader({folder.file("a.h5"), folder.file("b.h5")}), options),
               folder.file("model"));
    const TrainingRecord record = load_model(folder.file("model")).record();
    REQUIRE(record.learnt.size() == 1);
    CHECK(curves_learnt(record, 5, 100, 300) == 300);
    CHECK(curves_learnt(record, 5, 0, 1000) == 300);
    CHECK(curves_learnt(record, 5, 390, 100) == 10);
    CHECK(curves_learnt(record, 5, 400, 100) == 0);
    CHECK(curves_learnt(record, 6, 100, 300) == 0);

    // Curves of another maker, and simulated ones, are none of any seed.
    data.version.clear();
    CHECK(train(data, options).record().learnt.empty());
    options.curves_per_epoch = 200;
    const TrainingRecord simulated = train(echo_experiment(), options).record();
    REQUIRE(simulated.learnt.size() == 2);
    CHECK(simulated.learnt[0].count == 200);
    CHECK(curves_learnt(simulated, options.seed, 0, 1000) == 0);

    // Ranges that overlap count once.
    TrainingRecord twice;
    twice.learnt = {{"data", 1, 0, 10}, {"data", 1, 5, 10}, {"data", 1, 6, 2}};
    CHECK(curves_learnt(twice, 1, 0, 100) == 15);
}

TEST_CASE("A training does not go on with another data set", "[trainer]") {
    const TestFolder folder("trainer_test_other_data");
    TrainingOptions options = small_training();
    options.checkpoint = folder.file("checkpoint");
    const nmrsim::Dataset data = linear_dataset(600, 0.05, 1);
    train(data, options);
    REQUIRE(std::filesystem::exists(options.checkpoint));
    options.resume = true;
    CHECK_THROWS_WITH(train(linear_dataset(600, 0.05, 2), options), ContainsSubstring("data set"));
    CHECK_THROWS_WITH(train(linear_dataset(700, 0.05, 1), options), ContainsSubstring("data set"));
    CHECK_NOTHROW(train(data, options));
}

TEST_CASE("A loss that is no number on one process alone ends the training of all", "[trainer]") {
    // Of the one batch's halves one holds a curve whose unknown is beyond single precision.
    nmrsim::Dataset data = linear_dataset(200, 0.05, 1);
    data.parameters[2 * 17] = 1e300;
    TrainingOptions options = small_training();
    options.batch = 200;
    std::atomic<int> ended = 0;
    const auto train_one = [&](const TrainingPeers& peers) {
        CHECK_THROWS_WITH(train(data, options, {}, peers), ContainsSubstring("at step 1"));
        ++ended;
        return train(linear_dataset(200, 0.05, 1), options);
    };
    train_as_two(train_one);
    CHECK(ended == 2);
}

TEST_CASE("A network learns from one alias of a curve at a time", "[trainer]") {
    // 600 curves, of which 60 are held out: each of the others as often as another in a pass,
    // whatever the number of its aliases, and in all as often as there are aliases.
    nmrsim::Experiment experiment = nmrsim::load_experiment("challenge-2021");
    const nmrsim::Dataset data = nmrsim::generate_dataset(experiment, 600, 3);
    TrainingOptions options = small_training();
    options.epochs = 2;
    const std::size_t seen = train(data, options).record().curves_seen;
    CHECK(seen % (2 * 540) == 0);
    CHECK(seen > 4 * 2 * 540);
}

TEST_CASE("Learning from aliases leaves the prior as it is", "[trainer]") {
    // Curves that tell nothing, noise alone: what is learnt of theta is its prior, 50 degrees in
    // the mean of 10 to 90. Were each alias learnt from as often as another, it would be the prior
    // times their number, which goes as |Mz| = |cos theta|: 37 degrees.
    nmrsim::Experiment experiment = nmrsim::load_experiment("challenge-2021");
    experiment.acquisition.points = 107;
    nmrsim::Dataset data = nmrsim::generate_dataset(experiment, 2000, 3);
    for (std::size_t c = 0; c < data.count(); ++c) {
        nmrsim::CounterRandom random(7, c, nmrsim::RandomStream::noise);
        for (std::size_t i = 0; i < 214; ++i) {
            data.signal[214 * c + i] = static_cast<float>(random.normal());
        }
    }
    TrainingOptions options = small_training();
    options.epochs = 2;
    const Model model = train(data, options);
    REQUIRE(model.record().curves_seen > 4 * 2 * 1800);  // of more than four aliases each
    nmrsim::Dataset fresh = data;
    for (std::size_t c = 0; c < data.count(); ++c) {
        nmrsim::CounterRandom random(8, c, nmrsim::RandomStream::noise);
        for (std::size_t i = 0; i < 214; ++i) {
            fresh.signal[214 * c + i] = static_cast<float>(random.normal());
        }
    }
    const Predictions answers = model.predict(fresh.signal, fresh.count());
    double mean = 0.0;
    for (std::size_t c = 0; c < fresh.count(); ++c) {
        mean += answers.mean[3 * c + 2] / static_cast<double>(fresh.count());
    }
    // The true values' mean is 23 / sqrt(1800) = 0.5 off; so is a network of few steps, by a few.
    CHECK(std::abs(mean - 50.0) < 4.0);
}

TEST_CASE("Widths are fitted on curves that chose nothing", "[trainer]") {
    TrainingOptions options = small_training();
    options.epochs = 1;
    // Curves of the experiment, with its noise: more of them can be made.
    nmrsim::Experiment experiment = echo_experiment();
    const auto told = [&](const nmrsim::Dataset& data) {
        return train(data, options).record().calibrated_on;
    };
    nmrsim::Dataset data = nmrsim::generate_dataset(experiment, 600, 5);
    CHECK(told(data) == "4096 fresh curves");
    experiment.acquisition.noise = 0.01;
    CHECK(told(nmrsim::generate_dataset(experiment, 600, 5)) == "4096 fresh curves");
    // Curves that the experiment does not give, and parameters that its prior does not.
    for (float& value : data.signal) value *= 1.02f;
    // A third of 600 are held out then, and three quarters of these calibrate.
    CHECK(told(data) == "150 held-out curves that chose nothing");
    data = nmrsim::generate_dataset(experiment, 600, 5);
    for (float& value : data.signal) value += 0.005f;
    CHECK(told(data) == "150 held-out curves that chose nothing");
    experiment.prior[0].high *= 0.5;
    data = nmrsim::generate_dataset(experiment, 600, 5);
    data.unknowns[0].high *= 2.0;
    CHECK(told(data) == "150 held-out curves that chose nothing");
    options.held_out = 0.1;  // as told
    CHECK(told(data) == "45 held-out curves that chose nothing");

    // Larger than memory: of 256 held out, one of each place, three quarters.
    const TestFolder folder("trainer_test_calibrating");
    nmrsim::write_dataset(linear_dataset(4000, 0.0, 1), folder.file("whole.h5"));
    TrainingOptions large = streaming();
    large.epochs = 1;
    const Model model = train(nmrsim::DatasetReader({folder.file("whole.h5")}), large);
    CHECK(model.record().calibrated_on == "192 held-out curves that chose nothing");
    save_model(model, folder.file("model"));
    CHECK(load_model(folder.file("model")).record().calibrated_on == model.record().calibrated_on);
}

TEST_CASE("Fresh curves, too, say what is far from the training set", "[trainer]") {
    // Of 200 curves 20 are held out, beside 4096 fresh ones: the share of other curves that are
    // called farther than 99.5% is that, to 4 deviations of what 4116 and 4000 tell.
    const nmrsim::Experiment experiment = echo_experiment();
    TrainingOptions options = small_training();
    const Model model = train(nmrsim::generate_dataset(experiment, 200, 5), options);
    const nmrsim::Dataset fresh = nmrsim::generate_dataset(experiment, 4000, 6);
    const std::vector<double> distance =
        model.posterior(fresh.signal, fresh.count(), std::nullopt, 1).distance();
    const auto far = static_cast<double>(
        std::count_if(distance.begin(), distance.end(), [](double d) { return d > 0.995; }));
    CHECK(std::abs(far / 4000.0 - 0.005) < 4.0 * std::sqrt(0.005 * (1.0 / 4116 + 1.0 / 4000)));
}

TEST_CASE("What options leave open is said", "[trainer]") {
    const nmrsim::Experiment experiment = nmrsim::load_experiment("challenge-2021");
    TrainingOptions options;
    CHECK(network_in_words(options, experiment, 19'999) ==
          "4 networks, convolution, phase-free features, aliases of alpha_z");
    CHECK(network_in_words(options, experiment, 20'000) == "1 network, dense, all features");
    options.members = 2;
    options.embedding = Embedding::convolution;
    CHECK(network_in_words(options, experiment, 20'000) ==
          "2 networks, convolution, all features, aliases of alpha_z");
    options.alpha_z_aliases = false;
    CHECK(network_in_words(options, experiment, 20'000) == "2 networks, convolution, all features");
}

TEST_CASE("A model is calibrated anew for what it was trained for", "[trainer]") {
    const TestFolder folder("trainer_test_calibrate");
    const nmrsim::Experiment experiment = echo_experiment();
    TrainingOptions options = small_training();
    options.epochs = 1;
    options.curves_per_epoch = 2000;
    options.noise_low = 1e-3;
    options.noise_high = 1e-2;
    options.receiver = {90.0, 0.5};
    save_model(train(experiment, options), folder.file("model"));
    const Model model = load_model(folder.file("model"));
    const nmrsim::Dataset data = nmrsim::generate_dataset(experiment, 1000, 7);
    const auto calibration = [&](const std::optional<ReceiverSpread>& receiver) {
        return content(calibrate(model, data, receiver, 3, 1), folder).metadata.at("calibration");
    };
    const std::string by_record = calibration({});
    CHECK(by_record == calibration(ReceiverSpread{90.0, 0.5}));
    CHECK(by_record != calibration(ReceiverSpread{}));

    nmrsim::Experiment noisy = experiment;
    noisy.acquisition.noise = 1e-2;
    CHECK_THROWS_WITH(calibrate(model, nmrsim::generate_dataset(noisy, 100, 7)),
                      ContainsSubstring("must be without noise"));
    nmrsim::Experiment late = experiment;
    late.acquisition.start_us = 25.0;
    late.acquisition.stop_us = 55.0;
    options.time_zero_us = 0.5;
    CHECK_THROWS_WITH(calibrate(train(late, options), nmrsim::generate_dataset(late, 100, 7)),
                      ContainsSubstring("clock"));
}

TEST_CASE("A time that holds too few curves is refused before it is spent", "[trainer]") {
    TrainingOptions options = small_training();
    options.curves_per_epoch = 1 << 20;
    options.held_out = 0.1;
    CHECK(CurvePace(echo_experiment(), options, {}, 1, 1).portions().chunk == 8192);
    CHECK(CurvePace(echo_experiment(), options, {}, 1, 1).portions().held_out == 4096);
    options.minutes = 1e-7;
    CHECK_THROWS_WITH(train(echo_experiment(), options),
                      ContainsSubstring("training.minutes must be at least"));
    // As much as anyone needs: the usual portions.
    options.minutes = 1e5;
    CHECK(CurvePace(echo_experiment(), options, {}, 1, 1).portions().chunk == 8192);
    CHECK(CurvePace(echo_experiment(), options, {}, 1, 1).portions().held_out == 4096);
}

TEST_CASE("What is odd about curves to train on is said", "[trainer]") {
    nmrsim::Dataset data = linear_dataset(600, 0.05, 1);
    CHECK(doubts_about(data).empty());
    const auto curve = [&](std::size_t c) { return std::span(data.signal).subspan(128 * c, 128); };
    for (float& value : curve(3)) value = 0.0f;
    for (float& value : curve(4)) value = 0.25f;
    for (float& value : curve(5)) value = 0.25f;
    curve(6)[7] = -2e5f;
    data.parameters[2 * 8 + 1] = 300.5;
    data.parameters[2 * 9] = 100.0;  // at its end
    const std::vector<std::string> doubts = doubts_about(data);
    REQUIRE(doubts.size() == 4);
    CHECK_THAT(doubts[0], ContainsSubstring("1 of 600 curves are zero throughout"));
    CHECK_THAT(doubts[1], ContainsSubstring("2 of 600 curves are constant"));
    CHECK_THAT(doubts[2], ContainsSubstring("1 of 600 curves have values above 1000, up to 2e+05"));
    CHECK_THAT(doubts[3], ContainsSubstring("alpha_z_khz = 300.5, its prior is 100 to 300"));
    const TestFolder folder("trainer_test_doubts");
    nmrsim::write_dataset(data, folder.file("odd.h5"));
    CHECK(doubts_about(nmrsim::DatasetReader({folder.file("odd.h5")})) == doubts);
    const std::vector<std::string> few = doubts_about(linear_dataset(499, 0.05, 1));
    REQUIRE(few.size() == 1);
    CHECK_THAT(few[0], ContainsSubstring("499 curves are few"));

    curve(6)[7] = 1e30f;
    CHECK_THROWS_WITH(train(data, small_training()), ContainsSubstring("at curve 6"));

    // Ten thousand curves of one step each have taught something; one batch has not.
    TrainingOptions options = small_training();
    options.epochs = 10;
    CHECK(doubt_about(train(linear_dataset(2000, 0.05, 1), options)).empty());
    options.epochs = 1;
    CHECK_THAT(doubt_about(train(linear_dataset(600, 0.05, 1), options)),
               ContainsSubstring("learnt from 400 curves"));
}

TEST_CASE("Noise is not put on noise", "[trainer]") {
    nmrsim::Experiment noisy = echo_experiment();
    noisy.acquisition.noise = 1e-2;
    const nmrsim::Dataset data = nmrsim::generate_dataset(noisy, 100, 5);
    TrainingOptions options = small_training();
    options.epochs = 1;
    CHECK_NOTHROW(train(data, options));
    options.noise_low = 1e-5;
    options.noise_high = 1e-4;
    CHECK_THROWS_WITH(train(data, options), ContainsSubstring("acquisition.noise = 0.01"));
    // Simulated curves have the noise that is told.
    options.curves_per_epoch = 200;
    CHECK(train(noisy, options).largest_noise() >= 1e-4);
}
