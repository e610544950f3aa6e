#include "program.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "catch_compat.h"

extern char** environ;

namespace fs = std::filesystem;

namespace {

pid_t start(const std::string& program, const std::vector<std::string>& arguments,
            const std::string& out, const std::string& err) {
    const std::string path = program_path(program);
    std::vector<std::string> owned = arguments;
    owned.insert(owned.begin(), path);
    std::vector<char*> pointers;
    for (std::string& text : owned) pointers.push_back(text.data());
    pointers.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    posix_spawn_file_actions_addopen(&actions, 2, err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    pid_t child = 0;
    const int failed =
        posix_spawn(&child, path.c_str(), &actions, nullptr, pointers.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    if (failed) throw std::runtime_error("cannot run " + path);
    return child;
}

Outcome finish(pid_t child, const std::string& out, const std::string& err) {
    int status = 0;
    waitpid(child, &status, 0);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), read_text(out),
            read_text(err)};
}

}  // namespace

std::string program_path(const std::string& program) {
    return program.find('/') == program.npos ? std::string(NMRSIM_PROGRAMS) + "/" + program
                                             : program;
}

Outcome run(const std::string& program, const std::vector<std::string>& arguments) {
    const Folder folder;
    const std::string out = folder.path("out");
    const std::string err = folder.path("err");
    return finish(start(program, arguments, out, err), out, err);
}

Outcome run_and_signal(const std::string& program, const std::vector<std::string>& arguments,
                       int number, double after_s, const std::string& wait_for) {
    const Folder folder;
    const std::string out = folder.path("out");
    const std::string err = folder.path("err");
    const pid_t child = start(program, arguments, out, err);
    for (int i = 0; i < 6000 && !wait_for.empty() && !exists(wait_for); ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    std::this_thread::sleep_for(std::chrono::duration<double>(after_s));
    kill(child, number);
    return finish(child, out, err);
}

bool has_ranks() {
#ifdef NMRSIM_MPIRUN
    return exists(NMRSIM_MPIRUN);
#else
    return false;
#endif
}

Outcome run_ranks(int ranks, const std::string& program,
                  const std::vector<std::string>& arguments) {
#ifdef NMRSIM_MPIRUN
    // More ranks than cores, and by root, which containers are.
    setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 1);
    setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 1);
    // OpenMPI leaves memory of plugins that it has unloaded: to the leak sanitizer, leaks by
    // nobody.
    std::vector<std::string> all = {
        "--oversubscribe",    "-x", "ASAN_OPTIONS=detect_leaks=0", "-n", std::to_string(ranks),
        program_path(program)};
    all.insert(all.end(), arguments.begin(), arguments.end());
    return run(NMRSIM_MPIRUN, all);
#else
    static_cast<void>(arguments);
    throw std::runtime_error("no mpirun for " + std::to_string(ranks) + " of " + program);
#endif
}

Outcome run_with_file_limit(int bytes, const std::string& program,
                            const std::vector<std::string>& arguments) {
    // In units of 512 bytes, as POSIX has it.
    std::vector<std::string> all = {
        "-c", "ulimit -f " + std::to_string(bytes / 512) + "; exec \"$0\" \"$@\"",
        program_path(program)};
    all.insert(all.end(), arguments.begin(), arguments.end());
    return run("/bin/sh", all);
}

void require_refused(const std::string& program, const std::vector<std::string>& arguments,
                     const std::string& words, int status) {
    const Outcome outcome = run(program, arguments);
    INFO(program << " said: " << outcome.err);
    CHECK(outcome.status == status);
    CHECK(outcome.out.empty());
    CHECK(lines_of(outcome.err).size() == 1);
    CHECK(outcome.err.starts_with(program + ": "));
    CHECK_THAT(outcome.err, ContainsSubstring(words));
}

void require_help_and_version(const std::string& program) {
    const Outcome help = run(program, {"--help"});
    CHECK(help.status == 0);
    CHECK(help.err.empty());
    CHECK_THAT(help.out, ContainsSubstring("Example:\n  " + program + " "));
    CHECK_THAT(help.out, ContainsSubstring("--threads"));
    CHECK_THAT(help.out, ContainsSubstring("--quiet"));
    const Outcome version = run(program, {"--version"});
    CHECK(version.status == 0);
    CHECK(version.out == program + " " + NMRSIM_VERSION + "\n");
    require_refused(program, {"--no-such-option"}, "");
}

Folder::Folder() {
    std::string pattern = (fs::temp_directory_path() / "nmrsim-test-XXXXXX").string();
    if (!mkdtemp(pattern.data())) throw std::runtime_error("cannot make a temporary folder");
    path_ = pattern;
}

Folder::~Folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
}

std::string Folder::path(const std::string& name) const {
    return path_ + "/" + name;
}

std::size_t Folder::entries() const {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(path_), fs::directory_iterator()));
}

bool exists(const std::string& path) {
    return fs::exists(path);
}

std::string read_text(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) throw std::runtime_error("cannot read " + path);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

bool same_bytes(const std::string& a, const std::string& b) {
    return read_text(a) == read_text(b);
}

void write_text(const std::string& path, const std::string& text) {
    std::ofstream file(path, std::ios::binary);
    file << text;
}

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);) lines.push_back(line);
    return lines;
}

std::vector<std::string> short_challenge(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(),
                     {"challenge-2021", "--set", "acquisition.points=64", "--set",
                      "acquisition.start_us=180", "--set", "acquisition.stop_us=220", "--quiet"});
    return arguments;
}

void train_tiny_model(const std::string& path) {
    const Outcome outcome = run("nmr-train", short_challenge({"--simulate", "256", "--epochs", "1",
                                                              "--batch", "32", "--out", path}));
    INFO("nmr-train said: " << outcome.err);
    REQUIRE(outcome.status == 0);
    REQUIRE(exists(path));
}

void generate_short(const std::string& path, int count, int seed) {
    const Outcome outcome =
        run("nmr-generate", short_challenge({"--count", std::to_string(count), "--seed",
                                             std::to_string(seed), "--out", path}));
    INFO("nmr-generate said: " << outcome.err);
    REQUIRE(outcome.status == 0);
}
