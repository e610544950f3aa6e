#include "catch_compat.h"
#include "program.h"

TEST_CASE("nmr-train: help and version") {
    require_help_and_version("nmr-train");
}

TEST_CASE("nmr-train: from a file; the same seed gives the same model") {
    const Folder folder;
    generate_short(folder.path("train.h5"), 200, 1);
    const auto train = [&](const std::string& name) {
        const Outcome outcome =
            run("nmr-train", short_challenge({"--data", folder.path("train.h5"), "--epochs", "1",
                                              "--batch", "32", "--noise", "1e-3:1e-2", "--threads",
                                              "1", "--out", folder.path(name)}));
        INFO(outcome.err);
        REQUIRE(outcome.status == 0);
        CHECK(outcome.out.empty());
        CHECK(outcome.err.empty());
        // A fit says whether the weights are the same; the file holds the training time too.
        const Outcome fit = run("nmr-fit", {folder.path(name), folder.path("train.h5"), "--quiet"});
        REQUIRE(fit.status == 0);
        return fit.out;
    };
    CHECK(train("a.safetensors") == train("b.safetensors"));
    CHECK_FALSE(exists(folder.path("a.safetensors.checkpoint")));
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
