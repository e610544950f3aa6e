// The published echoes of arXiv 2602.02732, made by others, against the spread of our seeds.

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <complex>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

#include "experiments.h"
#include "nmrsim/simulate.h"
#include "number_rows.h"
#include "sections.h"

namespace validation {
namespace {

using namespace nmrsim;
using Complex = std::complex<double>;

constexpr std::size_t kEchoes = 5;
constexpr std::size_t kSeeds = 16;
constexpr std::size_t kPoints = 499;

/// Rows of numbers of a text file.
std::vector<std::vector<double>> read_rows(const std::string& path, std::size_t columns) {
    std::vector<std::vector<double>> rows = read_number_rows(path);
    if (rows.size() != kEchoes || rows[0].size() < columns) {
        throw std::runtime_error(
            fmt::format("{}: expected {} rows of {} numbers", path, kEchoes, columns));
    }
    return rows;
}

struct Comparison {
    double distance = 0.0;  ///< root mean square from the seeds' mean, over the seeds' own
    double scale = 0.0;     ///< how much larger than the mean, over the seeds' standard deviation
};

using Curve = std::vector<Complex>;

Comparison compare(const Curve& published, const std::vector<Curve>& ours) {
    Curve mean(kPoints);
    for (const Curve& curve : ours) {
        for (std::size_t i = 0; i < kPoints; ++i) mean[i] += curve[i] / double(kSeeds);
    }
    const auto rms = [&](const Curve& curve) {
        double square = 0.0;
        for (std::size_t i = 0; i < kPoints; ++i) square += std::norm(curve[i] - mean[i]);
        return std::sqrt(square / kPoints);
    };
    // The part of a curve's difference from the mean that scales the mean.
    const auto scale = [&](const Curve& curve) {
        double product = 0.0, square = 0.0;
        for (std::size_t i = 0; i < kPoints; ++i) {
            product += std::real((curve[i] - mean[i]) * std::conj(mean[i]));
            square += std::norm(mean[i]);
        }
        return product / square;
    };
    double typical = 0.0, spread = 0.0;
    for (const Curve& curve : ours) {
        typical += rms(curve) * rms(curve) / (kSeeds - 1.0);
        spread += scale(curve) * scale(curve) / (kSeeds - 1.0);
    }
    return {rms(published) / std::sqrt(typical),
            scale(published) / (std::sqrt(spread) * std::sqrt(1.0 + 1.0 / kSeeds))};
}

/// Row of params.txt: alpha_x is its entry 0 [MHz], xi its entry 3.
Experiment experiment_of(const std::vector<double>& row) {
    Experiment e;
    e.interaction.kernel = GaussianKernel{row[3]};
    e.interaction.alpha_x_khz = 1e3 * row[0];
    e.lattice = {100, 100, 1, 1};
    e.sequence.program = HahnEcho{.tau_us = 49.8};
    e.acquisition.start_us = 0.0;
    e.acquisition.stop_us = 149.4;
    e.acquisition.points = kPoints;
    return e;
}

/// Echo after echo, seed after seed, (echoes * seeds).
std::vector<Curve> curves_of(const std::vector<std::vector<double>>& params, double coupling) {
    std::vector<Curve> curves(kEchoes * kSeeds, Curve(kPoints));
#pragma omp parallel for schedule(dynamic)
    for (std::size_t k = 0; k < curves.size(); ++k) {
        Experiment e = experiment_of(params[k / kSeeds]);
        e.interaction.alpha_x_khz *= coupling;
        e.lattice.seed = 100 + k % kSeeds;
        const Signal signal = simulate(e);
        for (std::size_t i = 0; i < kPoints; ++i) curves[k][i] = transverse(signal, i);
    }
    return curves;
}

}  // namespace

void validate_published_echoes(Report& report) {
    report.section("Published echoes",
                   "Five echoes published with arXiv 2602.02732 (made by its authors' own code, "
                   "gaussian kernel,\n"
                   "100 x 100, offsets drawn anew for each) against 16 seeds of ours at the "
                   "default tolerance.\n"
                   "Distance: root mean square difference from the seeds' mean over the seeds' "
                   "own; beside it the\n"
                   "same if our coupling were 10% larger. Bias: by how many standard deviations of "
                   "the seeds a\n"
                   "curve is larger than their mean; the mean of five has a standard deviation of "
                   "0.45, three of\n"
                   "which are allowed (times 1.05 for a spread known from 16 seeds).");
    const char* folder = std::getenv("NMRSIM_PUBLISHED_ECHOES");
    if (!folder || !*folder) {
        report.text("Not run: NMRSIM_PUBLISHED_ECHOES names no folder.");
        return;
    }
    report.table({"echo", "summed coupling [kHz]", "xi", "bias", "coupling 10% off", "distance",
                  "tolerance"});
    const std::string path = std::string(folder) + "/";
    const auto params = read_rows(path + "params.txt", 16);
    const auto mx = read_rows(path + "mx.txt", 500), my = read_rows(path + "my.txt", 500);
    const std::vector<Curve> ours = curves_of(params, 1.0), off = curves_of(params, 1.1);
    double bias = 0.0;
    for (std::size_t row = 0; row < kEchoes; ++row) {
        // Value 166 of a row is the one before the second pulse, 167 that at the same time after
        // it.
        Curve published;
        for (std::size_t i = 0; i <= kPoints; ++i) {
            if (i != 166) published.emplace_back(mx[row][i], my[row][i]);
        }
        const auto seeds = [row](const std::vector<Curve>& curves) {
            const auto first = curves.begin() + static_cast<std::ptrdiff_t>(row * kSeeds);
            return std::vector<Curve>(first, first + kSeeds);
        };
        const Comparison one = compare(published, seeds(ours));
        const Experiment e = experiment_of(params[row]);
        bias += one.scale / kEchoes;
        report.at_most({fmt::format("{}", row + 1),
                        fmt::format("{:.2f}", e.interaction.alpha_x_khz *
                                                  kernel_sum(e.interaction, e.lattice)),
                        fmt::format("{:.2f}", params[row][3]), fmt::format("{:+.2f}", one.scale),
                        scientific(compare(published, seeds(off)).distance)},
                       one.distance, 2.0);
    }
    report.between({"mean bias of the five", "", "", "", ""}, bias, -1.41, 1.41);
}

}  // namespace validation
