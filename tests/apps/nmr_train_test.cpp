#include <algorithm>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <random>

#include "catch_compat.h"
#include "program.h"

namespace {

/// A model's file as its tensors' bytes and its header without the time that training took.
struct ModelContent {
    nlohmann::json header;
    nlohmann::json record;
    std::string tensors;
};

ModelContent content_of(const std::string& path) {
    const std::string file = read_text(path);
    std::uint64_t length = 0;
    REQUIRE(file.size() > sizeof length);
    std::memcpy(&length, file.data(), sizeof length);
    ModelContent content;
    content.header = nlohmann::json::parse(file.substr(sizeof length, length));
    content.record =
        nlohmann::json::parse(content.header["__metadata__"]["record"].get<std::string>());
    content.record.erase("seconds");
    content.header["__metadata__"].erase("record");
    content.tensors = file.substr(sizeof length + length);
    return content;
}

bool same_model(const std::string& a, const std::string& b) {
    const ModelContent first = content_of(a);
    const ModelContent second = content_of(b);
    return first.header == second.header && first.record == second.record &&
           first.tensors == second.tensors;
}

std::vector<std::string> tiny_training(const std::vector<std::string>& more) {
    std::vector<std::string> arguments = short_challenge(
        {"--batch", "64", "--noise", "1e-3:1e-2", "--threads", "1", "--width", "16", "--hidden",
         "16", "--blocks", "1", "--members", "1", "--embedding", "dense", "--features", "all"});
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
}

/// So few curves as tests train on are warned of, and nothing else is said.
void require_trained(const Outcome& outcome) {
    INFO(outcome.err);
    REQUIRE(outcome.status == 0);
    for (const std::string& line : lines_of(outcome.err)) {
        CHECK_THAT(line, ContainsSubstring("nmr-train: warning: "));
        CHECK((line.find("few to train on") != std::string::npos ||
               line.find("it learnt from") != std::string::npos));
    }
}

}  // namespace

TEST_CASE("nmr-train: help and version") {
    require_help_and_version("nmr-train");
}

TEST_CASE("nmr-train: from a file; the same seed gives the same model") {
    const Folder folder;
    generate_short(folder.path("train.h5"), 100, 1);
    const auto train = [&](const std::string& name) {
        const Outcome outcome =
            run("nmr-train", short_challenge({"--data", folder.path("train.h5"), "--epochs", "1",
                                              "--batch", "32", "--noise", "1e-3:1e-2", "--members",
                                              "2", "--threads", "1", "--out", folder.path(name)}));
        require_trained(outcome);
        CHECK(outcome.out.empty());
        CHECK_THAT(outcome.err, ContainsSubstring("100 curves are few to train on"));
        // 90, as often as they have aliases.
        CHECK_THAT(outcome.err, ContainsSubstring("curves in all, which is next to nothing"));
        // A fit says whether the weights are the same; the file holds the training time too.
        const Outcome fit = run("nmr-fit", {folder.path(name), folder.path("train.h5"), "--quiet"});
        REQUIRE(fit.status == 0);
        return fit.out;
    };
    CHECK(train("a.safetensors") == train("b.safetensors"));
    CHECK_FALSE(exists(folder.path("a.safetensors.checkpoint")));
}

TEST_CASE("nmr-train: --calibrate fits the widths anew and leaves the network as it is") {
    const Folder folder;
    const std::string first = folder.path("first"), second = folder.path("second");
    require_trained(
        run("nmr-train", tiny_training({"--simulate", "1000", "--epochs", "2", "--out", first})));
    generate_short(folder.path("test.h5"), 300, 2);
    const auto calibrate = [&](const std::vector<std::string>& more) {
        std::vector<std::string> arguments = short_challenge(
            {"--calibrate", first, "--data", folder.path("test.h5"), "--out", second});
        arguments.insert(arguments.end(), more.begin(), more.end());
        return run("nmr-train", arguments);
    };
    const Outcome outcome = calibrate({});
    INFO(outcome.err);
    REQUIRE(outcome.status == 0);
    const ModelContent before = content_of(first), after = content_of(second);
    CHECK(before.tensors == after.tensors);
    CHECK(before.header["__metadata__"]["calibration"] !=
          after.header["__metadata__"]["calibration"]);
    CHECK(after.record["calibrated_on"] == "300 curves told");
    CHECK(after.record["learnt"].back()["seed"] == 2);
    CHECK(run("nmr-fit", {second, folder.path("test.h5"), "--quiet"}).status == 0);
}

TEST_CASE("nmr-train: SIGTERM leaves a model and a checkpoint, and --resume goes on") {
    const Folder folder;
    const std::string out = folder.path("model.safetensors");
    std::vector<std::string> arguments = short_challenge(
        {"--simulate", "100000000", "--epochs", "1000000", "--batch", "32", "--out", out});
    // The checkpoint says that the first pass is over.
    const Outcome stopped =
        run_and_signal("nmr-train", arguments, SIGTERM, 0.2, out + ".checkpoint");
    INFO(stopped.err);
    REQUIRE(stopped.status == 143);
    CHECK(lines_of(stopped.err).size() == 1);
    CHECK_THAT(stopped.err, ContainsSubstring(out));
    REQUIRE(exists(out));
    REQUIRE(exists(out + ".checkpoint"));

    generate_short(folder.path("test.h5"), 3, 9);
    CHECK(run("nmr-fit", {out, folder.path("test.h5"), "--quiet"}).status == 0);

    arguments.push_back("--resume");
    const Outcome again = run_and_signal("nmr-train", arguments, SIGINT, 2.0);
    INFO(again.err);
    CHECK(again.status == 130);
    CHECK(exists(out));
}

TEST_CASE("nmr-train: a set larger than memory, from one file, several or a manifest") {
    const Folder folder;
    // 536 bytes a curve: 1 MiB holds 1956.
    generate_short(folder.path("whole.h5"), 2500, 1);
    for (const std::string part : {"1", "2"}) {
        require_trained(run("nmr-generate", short_challenge({"--count", "2500", "--seed", "1",
                                                             "--shard", part + "/2", "--out",
                                                             folder.path("part" + part + ".h5")})));
    }
    const auto train = [&](const std::string& name, std::vector<std::string> more) {
        more.insert(more.end(), {"--memory", "1", "--epochs", "2", "--out", folder.path(name)});
        require_trained(run("nmr-train", tiny_training(more)));
    };
    train("whole.safetensors", {"--data", folder.path("whole.h5")});
    train("parts.safetensors",
          {"--data", folder.path("part1.h5"), "--data", folder.path("part2.h5")});
    CHECK(same_model(folder.path("whole.safetensors"), folder.path("parts.safetensors")));
    require_refused("nmr-train",
                    tiny_training({"--data", folder.path("whole.h5"), "--data",
                                   folder.path("none.h5"), "--out", folder.path("m")}),
                    "none.h5");

    if (!has_ranks()) {
        WARN("the manifest was skipped: no mpirun here, or built without MPI");
        return;
    }
    require_trained(run_ranks(
        2, "nmr-generate",
        short_challenge({"--count", "2500", "--seed", "1", "--out", folder.path("set.h5")})));
    train("manifest.safetensors", {"--data", folder.path("set.json")});
    CHECK(same_model(folder.path("whole.safetensors"), folder.path("manifest.safetensors")));
}

TEST_CASE("nmr-train: two processes train the model of one, to rounding") {
    if (!has_ranks()) {
        WARN("skipped: no mpirun here, or built without MPI");
        return;
    }
    const Folder folder;
    generate_short(folder.path("train.h5"), 500, 1);
    const auto arguments = [&](const std::string& name) {
        std::vector<std::string> all = tiny_training(
            {"--data", folder.path("train.h5"), "--epochs", "1", "--out", folder.path(name)});
        *(std::find(all.begin(), all.end(), "--batch") + 1) = "200";
        return all;
    };
    require_trained(run("nmr-train", arguments("one.safetensors")));
    require_trained(run_ranks(2, "nmr-train", arguments("two.safetensors")));
    const ModelContent one = content_of(folder.path("one.safetensors"));
    const ModelContent two = content_of(folder.path("two.safetensors"));
    CHECK(one.record["curves_seen"] == two.record["curves_seen"]);
    // Nats an unknown, after two steps, each of which adds float's 6e-8 in another order and
    // amplifies it: by 2e-5 to 5e-3 over three sets of curves and two ways to simulate them.
    CHECK(two.record["held_out_loss"].get<double>() ==
          Approx(one.record["held_out_loss"].get<double>()).margin(1e-2));
    CHECK_FALSE(exists(folder.path("two.safetensors.checkpoint")));
}

TEST_CASE("nmr-train: killed at 50 random moments, --resume ends with the same model", "[slow]") {
    const Folder folder;
    generate_short(folder.path("train.h5"), 3000, 1);
    const std::string out = folder.path("model.safetensors");
    const auto arguments = [&](const std::string& path) {
        // Windows of a set larger than memory, so that its checkpoints are met too.
        return tiny_training(
            {"--data", folder.path("train.h5"), "--memory", "1", "--epochs", "4", "--out", path});
    };
    const auto start = std::chrono::steady_clock::now();
    require_trained(run("nmr-train", arguments(folder.path("undisturbed.safetensors"))));
    const std::chrono::duration<double> whole = std::chrono::steady_clock::now() - start;
    std::mt19937_64 random(7);
    std::uniform_real_distribution<double> moment(0.0, 1.1 * whole.count());
    int killed = 0, with_checkpoint = 0;
    for (int i = 0; i < 50; ++i) {
        const double after_s = moment(random);
        INFO("kill " << i << " after " << after_s << " s of " << whole.count());
        const Outcome outcome = run_and_signal("nmr-train", arguments(out), SIGKILL, after_s);
        killed += outcome.status == 128 + SIGKILL;
        with_checkpoint += exists(out + ".checkpoint");
        std::vector<std::string> again = arguments(out);
        again.push_back("--resume");
        require_trained(run("nmr-train", again));
        REQUIRE(same_model(out, folder.path("undisturbed.safetensors")));
        REQUIRE(folder.entries() == 3);
        std::filesystem::remove(out);
    }
    WARN(killed << " of 50 were killed at work, " << with_checkpoint
                << " with a checkpoint; all ended with the same model");
    CHECK(killed > 25);
    CHECK(with_checkpoint > 5);
}

TEST_CASE("nmr-train: bad input is refused in one line and nothing is overwritten") {
    const Folder folder;
    const std::string out = folder.path("model.safetensors");
    const std::string data = folder.path("train.h5");
    generate_short(data, 60, 1);
    write_text(out, "old");
    const auto refused = [&](std::vector<std::string> arguments, const std::string& words) {
        arguments.insert(arguments.end(), {"--out", out});
        require_refused("nmr-train", short_challenge(arguments), words);
    };
    refused({}, "--data");
    refused({"--data", data, "--simulate", "100"}, "--simulate");
    refused({"--data", folder.path("none.h5")}, "none.h5");
    refused({"--data", data, "--epochs", "0"}, "--epochs");
    refused({"--data", data, "--noise", "2:1"}, "--noise");
    refused({"--data", data, "--noise", "x"}, "--noise");
    refused({"--data", data, "--device", "abacus"}, "--device");
    refused({"--data", data, "--set", "interaction.alfa_x_khz=1"}, "alpha_x_khz");
    // Data of other experiments: another window, another prior, other unknowns.
    refused({"--data", data, "--set", "acquisition.stop_us=230"}, "acquisition.stop_us");
    refused({"--data", data, "--set", "prior.flip_deg=[20, 90]"}, "prior.flip_deg");
    require_refused("nmr-train", {"published-echo", "--data", data, "--out", out}, "unknowns");
    // A truncated file.
    const std::string whole = read_text(data);
    write_text(data, whole.substr(0, whole.size() / 2));
    refused({"--data", data}, "train.h5");
    CHECK(read_text(out) == "old");
    CHECK(folder.entries() == 2);
}
