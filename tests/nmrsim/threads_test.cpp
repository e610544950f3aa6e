// How many threads a calculation takes, and what is left of them after fork().

#include "nmrsim/threads.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "base/cgroup_quota.h"
#include "catch_compat.h"
#include "nmrsim/experiment_file.h"
#include "nmrsim/simulate.h"

namespace {

namespace fs = std::filesystem;

/// An environment variable for as long as this lives; unset where there is no value.
class Variable {
public:
    Variable(const char* name, const std::optional<std::string>& value) : name_(name) {
        if (const char* old = std::getenv(name)) before_ = old;
        set(value);
    }
    ~Variable() { set(before_); }
    Variable(const Variable&) = delete;
    Variable& operator=(const Variable&) = delete;

private:
    void set(const std::optional<std::string>& value) {
        if (value) {
            setenv(name_, value->c_str(), 1);
        } else {
            unsetenv(name_);
        }
    }
    const char* name_;
    std::optional<std::string> before_;
};

/// Files of control groups, in a folder that goes away.
class Groups {
public:
    Groups() {
        std::string pattern = (fs::temp_directory_path() / "nmrsim-test-XXXXXX").string();
        REQUIRE(mkdtemp(pattern.data()) != nullptr);
        mount = pattern;
    }
    ~Groups() { fs::remove_all(mount); }
    Groups(const Groups&) = delete;
    Groups& operator=(const Groups&) = delete;

    void write(const std::string& file, const std::string& text) const {
        fs::create_directories((fs::path(mount) / file).parent_path());
        std::ofstream(fs::path(mount) / file) << text << '\n';
    }

    std::string mount;
};

}  // namespace

TEST_CASE("threads: OMP_NUM_THREADS goes before SLURM_CPUS_PER_TASK, and that before the cores") {
    const Variable none("OMP_NUM_THREADS", std::nullopt);
    const Variable no_slurm("SLURM_CPUS_PER_TASK", std::nullopt);
    const int cores = nmrsim::available_cores();
    REQUIRE(cores >= 1);
    CHECK(nmrsim::default_threads() == cores);
    CHECK(nmrsim::team_size(0) == cores);
    CHECK(nmrsim::team_size(7) == 7);
    {
        const Variable slurm("SLURM_CPUS_PER_TASK", "1");
        CHECK(nmrsim::default_threads() == 1);
        const Variable omp("OMP_NUM_THREADS", "5,2");
        CHECK(nmrsim::default_threads() == 5);
        CHECK(nmrsim::team_size(0) == 5);
        CHECK(nmrsim::team_size(3) == 3);
    }
    // More than there are is what a user may ask for, but not what Slurm means.
    const Variable slurm("SLURM_CPUS_PER_TASK", std::to_string(cores + 1));
    CHECK(nmrsim::default_threads() == cores);
    for (const char* nonsense : {"", "0", "-3", "many"}) {
        const Variable omp("OMP_NUM_THREADS", nonsense);
        CHECK(nmrsim::default_threads() == cores);
    }
}

TEST_CASE("threads: the least quota of a group and those above it counts") {
    const Groups groups;
    CHECK(std::isinf(nmrsim::cgroup_quota("0::/", groups.mount)));
    groups.write("cpu.max", "max 100000");
    CHECK(std::isinf(nmrsim::cgroup_quota("0::/\n", groups.mount)));
    groups.write("jobs/cpu.max", "250000 100000");
    groups.write("jobs/mine/cpu.max", "400000 100000");
    groups.write("jobs/small/cpu.max", "50000 100000");
    CHECK(nmrsim::cgroup_quota("0::/jobs/mine\n", groups.mount) == 2.5);
    CHECK(nmrsim::cgroup_quota("0::/jobs/small\n", groups.mount) == 0.5);
    CHECK(std::isinf(nmrsim::cgroup_quota("0::/other\n", groups.mount)));
    CHECK(std::isinf(nmrsim::cgroup_quota("", groups.mount)));
    CHECK(std::isinf(nmrsim::cgroup_quota("nonsense\n::\n", groups.mount)));
}

TEST_CASE("threads: so does one of the first version's groups") {
    const Groups groups;
    const std::string membership = "3:memory:/jobs\n2:cpu,cpuacct:/jobs\n1:cpuset:/jobs\n";
    groups.write("cpu,cpuacct/jobs/cpu.cfs_quota_us", "-1");
    groups.write("cpu,cpuacct/jobs/cpu.cfs_period_us", "100000");
    groups.write("memory/jobs/cpu.cfs_quota_us", "1000");
    groups.write("memory/jobs/cpu.cfs_period_us", "100000");
    CHECK(std::isinf(nmrsim::cgroup_quota(membership, groups.mount)));
    groups.write("cpu,cpuacct/jobs/cpu.cfs_quota_us", "300000");
    CHECK(nmrsim::cgroup_quota(membership, groups.mount) == 3.0);
}

TEST_CASE("threads: a child that is forked after a batch simulates with one, and the same") {
    const nmrsim::Experiment experiment = nmrsim::load_experiment("challenge-2021");
    const std::size_t points = 2 * static_cast<std::size_t>(experiment.acquisition.points);
    std::vector<double> parameters;
    for (int i = 0; i < 8; ++i) parameters.insert(parameters.end(), {40.0, 90.0, 30.0 + i});
    std::vector<float> curves(8 * points), again(8 * points);
    nmrsim::simulate_batch(experiment, parameters, {}, curves, 4);
    CHECK(!nmrsim::forked_from_threads());
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        alarm(120);  // a watchdog: it would wait for ever
        if (!nmrsim::forked_from_threads() || nmrsim::team_size(4) != 1) _exit(2);
        nmrsim::simulate_batch(experiment, parameters, {}, again, 4);
        _exit(again == curves ? 0 : 3);
    }
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    REQUIRE(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
}
