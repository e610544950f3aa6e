#include "base/cgroup_quota.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>
#include <string_view>

namespace nmrsim {
namespace {

namespace fs = std::filesystem;

constexpr double kNone = std::numeric_limits<double>::infinity();

double quota_of(double time, double period) {
    return time > 0.0 && period > 0.0 ? time / period : kNone;
}

/// "max 100000" or "150000 100000" in cpu.max; -1 or a time in cpu.cfs_quota_us.
double quota_in(const fs::path& group) {
    double time = 0.0, period = 0.0;
    if (std::ifstream file(group / "cpu.max"); file >> time >> period) {
        return quota_of(time, period);
    }
    std::ifstream quota(group / "cpu.cfs_quota_us"), length(group / "cpu.cfs_period_us");
    if (quota >> time && length >> period) return quota_of(time, period);
    return kNone;
}

/// The least of a group and all above it, up to the mount.
double least_quota(const fs::path& mount, const std::string& group) {
    double least = quota_in(mount);
    fs::path at = mount;
    for (const fs::path& name : fs::path(group).relative_path()) {
        at /= name;
        least = std::min(least, quota_in(at));
    }
    return least;
}

bool names_cpu(const std::string& controllers) {
    std::istringstream list(controllers);
    for (std::string name; std::getline(list, name, ',');) {
        if (name == "cpu") return true;
    }
    return false;
}

}  // namespace

double cgroup_quota(const std::string& membership, const std::string& mount) {
    double least = kNone;
    std::istringstream lines(membership);
    for (std::string line; std::getline(lines, line);) {  // number:controllers:group
        const auto first = line.find(':');
        const auto second = line.find(':', first == line.npos ? first : first + 1);
        if (second == line.npos) continue;
        const std::string controllers = line.substr(first + 1, second - first - 1);
        const std::string group = line.substr(second + 1);
        if (controllers.empty()) {
            least = std::min(least, least_quota(mount, group));
        } else if (names_cpu(controllers)) {
            for (const std::string& folder : {controllers, std::string("cpu")}) {
                least = std::min(least, least_quota(fs::path(mount) / folder, group));
            }
        }
    }
    return least;
}

}  // namespace nmrsim
