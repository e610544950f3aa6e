#include "fit/curve_band.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "nmrsim/coupling.h"
#include "nmrsim/prior.h"
#include "nmrsim/simulate.h"
#include "nmrsim/units.h"

namespace nmrinverse {
namespace {

/// Corners of the prior that are looked at for the largest field: 2 to this power at most.
constexpr std::size_t kMostCornerUnknowns = 6;

}  // namespace

double largest_frequency_khz(const nmrsim::Experiment& experiment) {
    const std::size_t unknowns = experiment.prior.size();
    const std::size_t corners = std::size_t{1} << std::min(unknowns, kMostCornerUnknowns);
    double field_khz = 0.0;
    for (std::size_t corner = 0; corner < corners; ++corner) {
        std::vector<double> values;
        for (std::size_t k = 0; k < unknowns; ++k) {
            const nmrsim::PriorRange& range = experiment.prior[k];
            values.push_back(corner >> k & 1 ? range.low : range.high);
        }
        const nmrsim::Experiment extreme = nmrsim::with_parameters(experiment, values);
        double sum = 1.0;
        if (!nmrsim::is_uniform(extreme)) {
            sum = 0.0;
            for (const double f : nmrsim::kernel_table(extreme.interaction, extreme.lattice)) {
                sum += std::abs(f);
            }
        }
        field_khz =
            std::max(field_khz, nmrsim::kSpinLength * sum *
                                    std::max(std::abs(extreme.interaction.alpha_plane_khz()),
                                             std::abs(extreme.interaction.alpha_z_khz)));
    }
    return nmrsim::largest_cut_khz(experiment) + std::abs(experiment.line.centre_khz) + field_khz;
}

}  // namespace nmrinverse
