#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <random>
#include <set>

#include "catch_compat.h"
#include "program.h"
#include "thread_sanitizer.h"

namespace {

std::vector<std::string> small_lattice(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(),
                     {"published-echo", "--set", "lattice.nx=10", "--set", "lattice.ny=10", "--set",
                      "acquisition.noise=0.01", "--quiet"});
    return arguments;
}

void require_done(const std::vector<std::string>& arguments) {
    const Outcome outcome = run("nmr-generate", arguments);
    INFO(outcome.err);
    REQUIRE(outcome.status == 0);
    CHECK(outcome.out.empty());
    CHECK(outcome.err.empty());
}

/// The numbers of a challenge folder, which show a shard's curves without HDF5's own bytes.
std::string challenge_text(const std::string& folder) {
    return read_text(folder + "/echos_r.txt") + read_text(folder + "/echos_i.txt") +
           read_text(folder + "/mat_info.txt");
}

}  // namespace

TEST_CASE("nmr-generate: the bytes do not depend on threads, and do on the seed") {
    const Folder folder;
    const auto make = [&](const std::string& name, const std::string& seed,
                          const std::string& threads) {
        const std::string path = folder.path(name);
        require_done(short_challenge(
            {"--count", "40", "--seed", seed, "--threads", threads, "--out", path}));
        return path;
    };
    const std::string one = make("one.h5", "7", "1");
    CHECK(same_bytes(one, make("two.h5", "7", "2")));
    CHECK(same_bytes(one, make("five.h5", "7", "5")));
    CHECK_FALSE(same_bytes(one, make("other.h5", "8", "1")));
    require_done(small_lattice(
        {"--count", "6", "--seed", "1", "--threads", "1", "--out", folder.path("lattice1.h5")}));
    require_done(small_lattice(
        {"--count", "6", "--seed", "1", "--threads", "3", "--out", folder.path("lattice3.h5")}));
    CHECK(same_bytes(folder.path("lattice1.h5"), folder.path("lattice3.h5")));
}

TEST_CASE("nmr-generate: a mix of kernels, any threads, any shards") {
    const Folder folder;
    const auto make = [&](const std::string& name, const std::vector<std::string>& more) {
        std::vector<std::string> arguments = {"kernel-recognition",
                                              "--set",
                                              "lattice.nx=10",
                                              "--set",
                                              "lattice.ny=10",
                                              "--set",
                                              "prior.xi=[2,4]",
                                              "--set",
                                              "interaction.xi=3",
                                              "--count",
                                              "12",
                                              "--seed",
                                              "1",
                                              "--quiet",
                                              "--out",
                                              folder.path(name)};
        arguments.insert(arguments.end(), more.begin(), more.end());
        require_done(arguments);
    };
    make("one.h5", {"--threads", "1"});
    make("three.h5", {"--threads", "3"});
    CHECK(same_bytes(folder.path("one.h5"), folder.path("three.h5")));

    make("whole", {"--format", "challenge"});
    make("first", {"--format", "challenge", "--shard", "1/2"});
    make("second", {"--format", "challenge", "--shard", "2/2"});
    const std::string info = read_text(folder.path("whole/mat_info.txt"));
    CHECK(info == read_text(folder.path("first/mat_info.txt")) +
                      read_text(folder.path("second/mat_info.txt")));
    CHECK(read_text(folder.path("whole/echos_r.txt")) ==
          read_text(folder.path("first/echos_r.txt")) +
              read_text(folder.path("second/echos_r.txt")));
    // The first column is the kernel: 12 draws hold each of the three.
    std::set<std::string> kernels;
    for (const std::string& line : lines_of(info)) kernels.insert(line.substr(0, line.find('\t')));
    CHECK(kernels == std::set<std::string>{"0.5", "1.5", "2.5"});
    const Outcome wrong =
        run("nmr-generate", {"kernel-recognition", "--set", "prior.kernel=[\"uniform\",\"rkky\"]",
                             "--count", "1", "--seed", "1", "--out", folder.path("no.h5")});
    CHECK(wrong.status == 2);
    CHECK_THAT(wrong.err, ContainsSubstring("prior.kernel must be of kernels of finite range"));
}

TEST_CASE("nmr-generate: shards side by side are the whole") {
    const Folder folder;
    const auto make = [&](const std::vector<std::string>& more) {
        std::vector<std::string> arguments = {
            "--count", "11", "--seed", "3", "--format", "challenge", "--out", folder.path("set")};
        arguments.insert(arguments.end(), more.begin(), more.end());
        require_done(small_lattice(arguments));
        return std::vector<std::string>{read_text(folder.path("set/echos_r.txt")),
                                        read_text(folder.path("set/echos_i.txt")),
                                        read_text(folder.path("set/mat_info.txt"))};
    };
    const auto whole = make({});
    const auto first = make({"--shard", "1/3"});
    const auto second = make({"--shard", "2/3"});
    const auto third = make({"--shard", "3/3"});
    for (std::size_t file = 0; file < 3; ++file) {
        CHECK(lines_of(whole[file]).size() == 11);
        CHECK(whole[file] == first[file] + second[file] + third[file]);
    }
}

TEST_CASE("nmr-generate: SIGTERM saves what is done, and --resume ends with the same bytes") {
    const Folder folder;
    const std::string out = folder.path("set.h5");
    // Seconds of work in portions of a tenth: some are done at the signal, never all.
    std::vector<std::string> arguments =
        small_lattice({"--count", "3000", "--seed", "5", "--threads", "1", "--out", out});
    const Outcome stopped = run_and_signal("nmr-generate", arguments, SIGTERM, 0.7);
    INFO(stopped.err);
    REQUIRE(stopped.status == 143);
    CHECK(lines_of(stopped.err).size() == 1);
    CHECK_THAT(stopped.err, ContainsSubstring("SIGTERM"));
    CHECK_FALSE(exists(out));
    REQUIRE(exists(folder.path("set.part")));

    // Another seed does not fit to the part, and leaves it alone.
    std::vector<std::string> other = arguments;
    other[11] = "6";
    other.push_back("--resume");
    require_refused("nmr-generate", other, "seed");
    REQUIRE(exists(folder.path("set.part")));

    // A second interruption keeps the first part's curves.
    arguments.push_back("--resume");
    const Outcome again = run_and_signal("nmr-generate", arguments, SIGINT, 0.7);
    CHECK(again.status == 130);
    arguments[13] = "2";  // threads
    require_done(arguments);
    CHECK_FALSE(exists(folder.path("set.part")));

    arguments.pop_back();
    arguments.back() = folder.path("undisturbed.h5");
    require_done(arguments);
    CHECK(same_bytes(out, folder.path("undisturbed.h5")));
}

TEST_CASE("nmr-generate: saved in parts or at once, the bytes are the same") {
    const Folder folder;
    const auto make = [&](const std::string& name, const std::vector<std::string>& more) {
        std::vector<std::string> arguments =
            small_lattice({"--count", "300", "--seed", "2", "--out", folder.path(name)});
        arguments.insert(arguments.end(), more.begin(), more.end());
        require_done(arguments);
    };
    make("once.h5", {});
    make("parts.h5", {"--save-every", "0"});
    CHECK(same_bytes(folder.path("once.h5"), folder.path("parts.h5")));
    make("once", {"--format", "challenge"});
    make("parts", {"--format", "challenge", "--save-every", "0"});
    CHECK(challenge_text(folder.path("once")) == challenge_text(folder.path("parts")));
    CHECK(folder.entries() == 4);
    // What is whole is not made again: the file is not even replaced.
    const auto written = std::filesystem::last_write_time(folder.path("once.h5"));
    make("once.h5", {"--resume"});
    CHECK(std::filesystem::last_write_time(folder.path("once.h5")) == written);
}

TEST_CASE("nmr-generate: two processes make the shards of one") {
    if (!has_ranks()) {
        WARN("skipped: no mpirun here, or built without MPI");
        return;
    }
    const Folder folder;
    const auto arguments = [&](const std::string& name, const std::vector<std::string>& more) {
        std::vector<std::string> all =
            small_lattice({"--count", "301", "--seed", "2", "--out", folder.path(name)});
        all.insert(all.end(), more.begin(), more.end());
        return all;
    };
    const Outcome two =
        run_ranks(2, "nmr-generate", arguments("set.h5", {"--save-every", "0", "--threads", "1"}));
    INFO(two.err);
    REQUIRE(two.status == 0);
    CHECK(two.err.empty());
    CHECK(folder.entries() == 3);
    require_done(arguments("first.h5", {"--shard", "1/2"}));
    require_done(arguments("second.h5", {"--shard", "2/2"}));
    CHECK(same_bytes(folder.path("first.h5"), folder.path("set.1-of-2.h5")));
    CHECK(same_bytes(folder.path("second.h5"), folder.path("set.2-of-2.h5")));
    const std::string manifest = read_text(folder.path("set.json"));
    CHECK_THAT(manifest, ContainsSubstring("\"count\": 301,"));
    CHECK_THAT(manifest, ContainsSubstring("\"file\": \"set.2-of-2.h5\""));

    // Begun by one process, killed, ended by two.
    run_and_signal("nmr-generate", arguments("again.h5", {"--save-every", "0"}), SIGKILL, 0.0,
                   folder.path("again.part"));
    REQUIRE(exists(folder.path("again.part")));
    const Outcome ended = run_ranks(2, "nmr-generate", arguments("again.h5", {"--resume"}));
    INFO(ended.err);
    REQUIRE(ended.status == 0);
    CHECK_FALSE(exists(folder.path("again.part")));
    CHECK(same_bytes(folder.path("again.1-of-2.h5"), folder.path("set.1-of-2.h5")));
    CHECK(same_bytes(folder.path("again.2-of-2.h5"), folder.path("set.2-of-2.h5")));

    // One line from one process of what all would say.
    const Outcome refused = run_ranks(2, "nmr-generate", {"challenge-2021", "--count", "x"});
    CHECK(refused.status == 2);
    CHECK_THAT(refused.err, ContainsSubstring("nmr-generate: --count"));
    CHECK(refused.err.find("nmr-generate: --count") == refused.err.rfind("nmr-generate: --count"));
}

TEST_CASE("nmr-generate: a full disk is one clear line, and the old file stays") {
#ifdef NMRSIM_THREAD_SANITIZER
    WARN("skipped: the thread sanitizer ends where its own file cannot be written");
    return;
#endif
    const Folder folder;
    const std::string out = folder.path("set.h5");
    write_text(out, "old");
    const auto refused = [&](const std::string& save_every, const std::string& path) {
        // 300 curves of 64 points are 154 kB.
        const Outcome outcome =
            run_with_file_limit(64 * 1024, "nmr-generate",
                                short_challenge({"--count", "300", "--seed", "1", "--out", out,
                                                 "--save-every", save_every}));
        CHECK(outcome.status == 1);
        CHECK(outcome.err ==
              "nmr-generate: " + folder.path(path) + ": cannot be written: File too large\n");
        CHECK(read_text(out) == "old");
        CHECK(folder.entries() == 1);
    };
    refused("60", "set.h5");
    refused("0", "set.h5");
}

TEST_CASE("nmr-generate: killed at 50 random moments, --resume ends with the same bytes",
          "[slow]") {
    const Folder folder;
    const std::string out = folder.path("set.h5");
    const auto arguments = [](const std::string& path, const std::string& threads) {
        return small_lattice({"--count", "900", "--seed", "5", "--threads", threads, "--out", path,
                              "--save-every", "0"});
    };
    const auto start = std::chrono::steady_clock::now();
    require_done(arguments(folder.path("undisturbed.h5"), "1"));
    const std::chrono::duration<double> whole = std::chrono::steady_clock::now() - start;
    std::mt19937_64 random(7);
    // A bit beyond the end, so that the last steps are hit too.
    std::uniform_real_distribution<double> moment(0.0, 1.1 * whole.count());
    int killed = 0, with_parts = 0;
    for (int i = 0; i < 50; ++i) {
        const double after_s = moment(random);
        INFO("kill " << i << " after " << after_s << " s of " << whole.count());
        const Outcome outcome =
            run_and_signal("nmr-generate", arguments(out, "1"), SIGKILL, after_s);
        killed += outcome.status == 128 + SIGKILL;
        with_parts += exists(folder.path("set.part"));
        std::vector<std::string> again = arguments(out, "2");
        again.push_back("--resume");
        require_done(again);
        REQUIRE(same_bytes(out, folder.path("undisturbed.h5")));
        REQUIRE(folder.entries() == 2);
        std::filesystem::remove(out);
    }
    WARN(killed << " of 50 were killed at work, " << with_parts << " with parts saved; all ended "
                << "with the same bytes");
    CHECK(killed > 25);
    CHECK(with_parts > 10);
}

TEST_CASE("nmr-generate: challenge files have one curve a line") {
    const Folder folder;
    const std::string out = folder.path("challenge");
    require_done(
        short_challenge({"--count", "9", "--seed", "1", "--format", "challenge", "--out", out}));
    for (const std::string name : {"/echos_r.txt", "/echos_i.txt", "/mat_info.txt"}) {
        CHECK(lines_of(read_text(out + name)).size() == 9);
    }
    CHECK(challenge_text(out).find("nan") == std::string::npos);
    CHECK(folder.entries() == 1);
}

TEST_CASE("nmr-generate: a prior that looks wrong is a warning") {
    const Folder folder;
    const std::string out = folder.path("train.h5");
    const Outcome outcome =
        run("nmr-generate", short_challenge({"--count", "2", "--seed", "1", "--out", out, "--set",
                                             "prior.flip_deg=[0.5, 1.5708]"}));
    CHECK(outcome.status == 0);
    REQUIRE(lines_of(outcome.err).size() == 1);
    CHECK_THAT(outcome.err, ContainsSubstring("nmr-generate: warning: sequence.flip_deg = 1.5708"));
    CHECK(exists(out));
}

TEST_CASE("nmr-generate: bad input is refused in one line and nothing is overwritten") {
    const Folder folder;
    const std::string out = folder.path("set.h5");
    write_text(out, "old");
    const auto refused = [&](const std::vector<std::string>& arguments, const std::string& words) {
        std::vector<std::string> all = arguments;
        all.insert(all.end(), {"--quiet", "--out", out});
        require_refused("nmr-generate", all, words);
    };
    refused({"no-such.toml", "--count", "3", "--seed", "1"}, "no-such.toml");
    refused({"challenge-2021", "--seed", "1"}, "--count");
    refused({"challenge-2021", "--count", "3"}, "--seed");
    refused({"challenge-2021", "--count", "0", "--seed", "1"}, "--count");
    refused({"challenge-2021", "--count", "x", "--seed", "1"}, "--count");
    refused({"challenge-2021", "--count", "3", "--seed", "1", "--shard", "4/3"}, "--shard");
    refused({"challenge-2021", "--count", "3", "--seed", "1", "--shard", "0/3"}, "--shard");
    refused({"challenge-2021", "--count", "3", "--seed", "1", "--shard", "2"}, "--shard");
    refused({"challenge-2021", "--count", "3", "--seed", "1", "--format", "xml"}, "--format");
    refused({"challenge-2021", "--count", "3", "--seed", "1", "--set", "prior.xi=[1, 2]"}, "xi");
    refused({"challenge-2021", "--count", "3", "--seed", "1", "--set", "prior.flip_deg=[9, 2]"},
            "flip_deg");
    refused({"challenge-2021", "--count", "3", "--seed", "1", "--format", "challenge"},
            "expected a folder");
    CHECK(read_text(out) == "old");
    CHECK(folder.entries() == 1);
    // What is left of an interrupted run may be damaged too.
    write_text(folder.path("set.part"), "\x89HDF\r\n\x1a\n and no more");
    refused({"challenge-2021", "--count", "3", "--seed", "1", "--resume"}, "set.part");
    CHECK(read_text(out) == "old");
}

TEST_CASE("nmr-generate: --resume replaces neither another set nor what is none") {
    const Folder folder;
    const std::string out = folder.path("set.h5");
    generate_short(out, 5, 1);
    const std::string whole = read_text(out);
    const auto arguments = [&](const std::string& count, const std::string& seed) {
        return short_challenge({"--count", count, "--seed", seed, "--out", out, "--resume"});
    };
    CHECK(run("nmr-generate", arguments("5", "1")).status == 0);
    require_refused("nmr-generate", arguments("5", "2"), "is not this set");
    require_refused("nmr-generate", arguments("6", "1"), "is not this set");
    CHECK(read_text(out) == whole);
    write_text(out, "a letter");
    require_refused("nmr-generate", arguments("5", "1"), "is not this set");
    CHECK(read_text(out) == "a letter");
    for (const char* nowhere : {"-", "/dev/stdout"}) {
        require_refused("nmr-generate",
                        short_challenge({"--count", "5", "--seed", "1", "--out", nowhere}),
                        "expected a file");
    }
}

TEST_CASE("nmr-generate: --resume replaces no other challenge folder") {
    const Folder folder;
    const std::string out = folder.path("set");
    const auto arguments = [&](const std::string& count, const std::string& seed,
                               std::vector<std::string> more = {"--resume"}) {
        std::vector<std::string> all = short_challenge(
            {"--count", count, "--seed", seed, "--format", "challenge", "--out", out});
        all.insert(all.end(), more.begin(), more.end());
        return all;
    };
    CHECK(run("nmr-generate", arguments("5", "1", {})).status == 0);
    CHECK_FALSE(exists(folder.path("set.part")));
    const std::string curves = read_text(out + "/echos_r.txt");
    const std::string mark = read_text(out + "/experiment.toml");
    CHECK_THAT(mark, ContainsSubstring("# curves 0 to 5 of seed 1"));
    // Whole: nothing is made again.
    CHECK(run("nmr-generate", arguments("5", "1")).status == 0);
    CHECK(read_text(out + "/experiment.toml") == mark);
    require_refused("nmr-generate", arguments("5", "2"), "is not this set");
    require_refused("nmr-generate", arguments("6", "1"), "is not this set");
    // A challenge's own folder has no experiment.
    std::filesystem::remove(out + "/experiment.toml");
    require_refused("nmr-generate", arguments("5", "1"), "is not this set");
    CHECK(read_text(out + "/echos_r.txt") == curves);
    // One that was being written has its parts beside it.
    std::filesystem::create_directory(folder.path("set.part"));
    write_text(out + "/echos_r.txt", "1 2 3");
    CHECK(run("nmr-generate", arguments("5", "1")).status == 0);
    CHECK(read_text(out + "/echos_r.txt") == curves);
    CHECK_FALSE(exists(folder.path("set.part")));
}

TEST_CASE("nmr-generate: a second run of the same output is refused before it works") {
    const Folder folder;
    const std::string out = folder.path("set.h5");
    // As the first one holds it.
    const std::string name = folder.path(".set.h5.lock");
    const int first = ::open(name.c_str(), O_CREAT | O_RDWR, 0600);
    REQUIRE(first >= 0);
    REQUIRE(::flock(first, LOCK_EX) == 0);
    require_refused("nmr-generate", short_challenge({"--count", "5", "--seed", "1", "--out", out}),
                    "another run is writing it", 1);
    CHECK(folder.entries() == 1);
    // One that was killed leaves the file and no lock.
    ::close(first);
    generate_short(out, 5, 1);
    CHECK(folder.entries() == 1);
}
