#include "summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace differential {
namespace {

struct Counts {
    int draws = 0, judged = 0, beyond = 0, twice = 0, above = 0, batch = 0, batch_beyond = 0,
        batch_twice = 0, slopes = 0, slopes_off = 0, z_off = 0, unequal = 0, unresolved = 0,
        empty = 0, refused = 0, out_of_time = 0, crashed = 0;
    double ratio = 0.0;    ///< median of the estimate over the error
    double slowest = 0.0;  ///< simulate() [s]
};

Counts count(const std::vector<Outcome>& outcomes, const std::string& path) {
    Counts c;
    std::vector<double> ratios;
    for (const Outcome& o : outcomes) {
        if (!path.empty() && o.path != path) continue;
        ++c.draws;
        c.judged += o.end == End::judged;
        c.beyond += o.beyond(1.0);
        c.twice += o.beyond(2.0);
        c.above += o.above_estimate();
        c.batch += o.end == End::judged && o.batch >= 0.0;
        c.batch_beyond += o.batch_beyond(1.0);
        c.batch_twice += o.batch_beyond(2.0);
        c.slopes += o.end == End::judged && o.slope >= 0.0;
        c.slopes_off += o.slope_off();
        c.z_off += o.z_off();
        c.unequal +=
            std::any_of(o.complaints.begin(), o.complaints.end(), [](const std::string& complaint) {
                return complaint.starts_with("batch") &&
                       complaint.find("error") == std::string::npos;
            });
        c.unresolved += o.end == End::unresolved;
        c.empty += o.end == End::empty;
        c.refused += o.end == End::refused;
        c.out_of_time += o.end == End::stopped || o.end == End::hung;
        c.crashed += o.end == End::crashed;
        c.slowest = std::max(c.slowest, o.library_s);
        if (o.end == End::judged && o.estimate >= 0.0) {
            ratios.push_back(o.estimate / std::max({o.error, o.floor, 1e-300}));
        }
    }
    if (!ratios.empty()) {
        const auto middle = ratios.begin() + static_cast<std::ptrdiff_t>(ratios.size() / 2);
        std::nth_element(ratios.begin(), middle, ratios.end());
        c.ratio = *middle;
    }
    return c;
}

}  // namespace

std::string summary_table(const std::vector<Outcome>& outcomes) {
    std::string text =
        "| path | draws | judged | beyond tolerance | twice | above estimate | estimate/error, "
        "median | batches | beyond | twice | unequal | derivatives | off | Mz off | refused | out "
        "of "
        "time | crashed | unresolved | no signal | slowest [s] |\n|";
    for (int k = 0; k < 20; ++k) text += " --- |";
    text += '\n';
    for (const char* path : {"uniform", "lattice", "general", ""}) {
        const Counts c = count(outcomes, path);
        if (c.draws == 0) continue;
        text += fmt::format(
            "| {} | {} | {} | {} | {} | {} | {:.2g} | {} | {} | {} | {} | {} | {} | {} | {} | {} | "
            "{} | "
            "{} | {} | {:.2g} |\n",
            *path == 0 ? "all" : path, c.draws, c.judged, c.beyond, c.twice, c.above, c.ratio,
            c.batch, c.batch_beyond, c.batch_twice, c.unequal, c.slopes, c.slopes_off, c.z_off,
            c.refused, c.out_of_time, c.crashed, c.unresolved, c.empty, c.slowest);
    }
    int passed_over = 0;
    for (const Outcome& o : outcomes) passed_over += o.passed_over;
    text += fmt::format(
        "\n{} experiments were passed over, each for another of its kind: the oracle could not "
        "afford "
        "them.\n",
        passed_over);
    return text;
}

std::vector<std::string> broken_bounds(const std::vector<Outcome>& outcomes) {
    const Counts c = count(outcomes, "");
    std::vector<std::string> broken;
    const struct {
        const char* what;
        int number;
        double share;
    } bounds[] = {
        {"beyond twice the tolerance", c.twice, 0.0},
        {"beyond the tolerance", c.beyond, 0.01},
        {"above the estimate", c.above, 0.001},
        {"batches beyond twice the tolerance", c.batch_twice, 0.0},
        {"batches beyond the tolerance", c.batch_beyond, 0.01},
        {"curves of batches that differ", c.unequal, 0.0},
        {"derivatives off", c.slopes_off, 0.0},
        {"Mz off", c.z_off, 0.01},
        {"crashed", c.crashed, 0.0},
        {"out of time", c.out_of_time, 0.0},
        {"refused", c.refused, 0.01},
        {"unresolved", c.unresolved, 0.01},
    };
    for (const auto& [what, number, share] : bounds) {
        const int most = static_cast<int>(share * c.draws);
        if (number > most) {
            broken.push_back(fmt::format("{}: {} of {}, at most {}", what, number, c.draws, most));
        }
    }
    return broken;
}

}  // namespace differential
