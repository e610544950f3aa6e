#include "spins.h"

#include <array>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <type_traits>

#include "line_rule.h"

namespace oracle {
namespace {

using nmrsim::Experiment;
using nmrsim::Lattice;
using Words = std::array<std::uint32_t, 4>;

constexpr double kRadPerUsPerKhz = 2e-3 * std::numbers::pi;

Words philox(Words c, std::array<std::uint32_t, 2> key) {
    for (int round = 0; round < 10; ++round) {
        const std::uint64_t first = 0xD2511F53ull * c[0];
        const std::uint64_t second = 0xCD9E8D57ull * c[2];
        c = {static_cast<std::uint32_t>(second >> 32) ^ c[1] ^ key[0],
             static_cast<std::uint32_t>(second),
             static_cast<std::uint32_t>(first >> 32) ^ c[3] ^ key[1],
             static_cast<std::uint32_t>(first)};
        key[0] += 0x9E3779B9u;
        key[1] += 0xBB67AE85u;
    }
    return c;
}

/// f at the distance r, in more digits than the doubles it becomes.
long double radial(const nmrsim::Kernel& kernel, long double r) {
    return std::visit(
        [&](const auto& k) -> long double {
            using Kind = std::decay_t<decltype(k)>;
            if constexpr (std::is_same_v<Kind, nmrsim::GaussianKernel>) {
                return std::exp(-r * r / (static_cast<long double>(k.xi) * k.xi));
            } else if constexpr (std::is_same_v<Kind, nmrsim::PowerLawKernel>) {
                return std::pow(r / k.xi, -static_cast<long double>(k.exponent));
            } else if constexpr (std::is_same_v<Kind, nmrsim::RkkyKernel>) {
                const long double x = 2.0L * r / k.xi;
                return (x * std::cos(x) - std::sin(x)) / (x * x * x * x);
            } else {
                return 1.0L;
            }
        },
        kernel);
}

/// f of two sites apart by (x, y, z), each the lesser way round.
double coupling(const nmrsim::Interaction& interaction, const Lattice& lattice, int x, int y,
                int z) {
    const auto wrapped = [](int d, int n) {
        d = ((d % n) + n) % n;
        return 2 * d > n ? d - n : d;
    };
    x = wrapped(x, lattice.nx);
    y = wrapped(y, lattice.ny);
    z = wrapped(z, lattice.nz);
    if (x == 0 && y == 0 && z == 0) return 0.0;
    const long double r = std::sqrt(static_cast<long double>(x) * x + y * y + z * z);
    const long double cosine = x / r;
    const long double twice = 2.0L * cosine * cosine - 1.0L;
    const nmrsim::AngularFactor& a = interaction.angular;
    return static_cast<double>((a.s_weight + a.d_weight * twice) * radial(interaction.kernel, r));
}

/// f by displacement, (nx, ny, nz), as it acts.
std::vector<double> coupling_table(const Experiment& experiment) {
    const Lattice& lattice = experiment.lattice;
    std::vector<double> table;
    double sum = 0.0;
    for (int x = 0; x < lattice.nx; ++x) {
        for (int y = 0; y < lattice.ny; ++y) {
            for (int z = 0; z < lattice.nz; ++z) {
                table.push_back(coupling(experiment.interaction, lattice, x, y, z));
                sum += table.back();
            }
        }
    }
    if (experiment.interaction.normalize && table.size() > 1) {
        for (double& f : table) f /= sum;
    }
    return table;
}

nmrsim::Line line_of(const Experiment& experiment, const nmrsim::Site& site) {
    nmrsim::Line line = experiment.line;
    if (site.half_width_khz) line.half_width_khz = *site.half_width_khz;
    if (site.gaussian_half_width_khz) line.gaussian_half_width_khz = *site.gaussian_half_width_khz;
    return line;
}

/// Strengths with their shares: of a Gaussian, evenly spaced ones with its density, which converge
/// as the exponential of the square of their number.
std::vector<nmrsim::PulseStrength> strengths_of(const nmrsim::Sequence& sequence,
                                                double refinement) {
    if (!sequence.strengths.empty()) return sequence.strengths;
    if (sequence.pulse_spread == 0.0) return {{1.0, 1.0}};
    double angle = 0.0;
    for (const nmrsim::Event& event : nmrsim::sequence_events(sequence)) {
        if (const auto* pulse = std::get_if<nmrsim::Pulse>(&event)) {
            angle += std::abs(pulse->flip_deg) * std::numbers::pi / 180.0;
        }
    }
    constexpr double kReach = 7.0;
    const double spacing =
        2.0 * std::numbers::pi / (8.0 + refinement * 1.5 * angle * sequence.pulse_spread);
    const int half = static_cast<int>(std::ceil(kReach / spacing));
    std::vector<nmrsim::PulseStrength> strengths;
    for (int k = -half; k <= half; ++k) {
        const double x = k * spacing;
        strengths.push_back({1.0 + sequence.pulse_spread * x, std::exp(-0.5 * x * x)});
    }
    return strengths;
}

/// Rates of so many more spins.
void add_rates(const Experiment& experiment, const nmrsim::Site& site, std::size_t count,
               Spins& spins) {
    const nmrsim::Relaxation& common = experiment.relaxation;
    const double up = site.gamma1_per_s.value_or(common.gamma1_per_s);
    const double down = site.gamma2_per_s.value_or(common.gamma2_per_s);
    const double across = site.gamma3_per_s.value_or(common.gamma3_per_s);
    spins.rate1.insert(spins.rate1.end(), count, 1e-6 * (up + down));
    spins.rate2.insert(spins.rate2.end(), count, 0.5e-6 * (up + down + across));
    spins.pump.insert(spins.pump.end(), count, 0.5e-6 * (up - down));
}

/// Every site's line, once for each strength of the pulses.
void add_sites(const Experiment& experiment, double longest_us, double refinement, Spins& spins) {
    std::vector<nmrsim::Site> sites = experiment.sites;
    if (sites.empty()) sites.emplace_back();
    const std::vector<nmrsim::PulseStrength> strengths =
        strengths_of(experiment.sequence, refinement);
    double all_sites = 0.0, all_strengths = 0.0;
    for (const nmrsim::Site& site : sites) all_sites += site.weight;
    for (const nmrsim::PulseStrength& one : strengths) all_strengths += one.weight;
    for (const nmrsim::Site& site : sites) {
        const LineRule rule = line_rule(line_of(experiment, site), longest_us, refinement);
        for (const nmrsim::PulseStrength& one : strengths) {
            const double share = site.weight / all_sites * one.weight / all_strengths;
            for (std::size_t i = 0; i < rule.weight.size(); ++i) {
                spins.offset.push_back(rule.offset_khz[i] + site.shift_khz);
                spins.weight.push_back(share * rule.weight[i]);
                spins.strength.push_back(site.pulse_scale * one.strength);
            }
            add_rates(experiment, site, rule.weight.size(), spins);
        }
    }
}

bool couples_all_alike(const Experiment& experiment) {
    return std::holds_alternative<nmrsim::UniformKernel>(experiment.interaction.kernel);
}

}  // namespace

std::vector<double> offset_shares(std::uint64_t seed, std::size_t count) {
    constexpr std::uint32_t kOffsetsStream = 2;
    const std::array<std::uint32_t, 2> key = {static_cast<std::uint32_t>(seed),
                                              static_cast<std::uint32_t>(seed >> 32)};
    std::vector<double> shares;
    for (std::uint32_t block = 0; shares.size() < count; ++block) {
        const Words words = philox({block, kOffsetsStream, 0, 0}, key);
        for (const std::size_t low : {0, 2}) {
            const std::uint64_t bits =
                words[low] | (static_cast<std::uint64_t>(words[low + 1]) << 32);
            shares.push_back((static_cast<double>(bits >> 12) + 0.5) / 4503599627370496.0);
        }
    }
    shares.resize(count);
    return shares;
}

Spins spins_of(const Experiment& experiment, double longest_us, double refinement) {
    Spins spins;
    const nmrsim::Line& line = experiment.line;
    if (couples_all_alike(experiment) && line.spins == 0) {
        add_sites(experiment, longest_us, refinement, spins);
    } else {
        const Lattice& lattice = experiment.lattice;
        const bool drawn = couples_all_alike(experiment);
        const std::size_t n = static_cast<std::size_t>(drawn ? line.spins : lattice.sites());
        spins.offset = line_offsets_khz(line, offset_shares(lattice.seed, n));
        // What a line that is not renormalised leaves out counts neither in the mean nor in fields.
        const double mass = line_mass(line);
        spins.weight.assign(n, mass / static_cast<double>(n));
        if (!drawn) {
            std::vector<double> f = coupling_table(experiment);
            for (double& one : f) one *= mass;
            spins.pair.reserve(n * n);
            const auto apart = [](int a, int b, int size) {
                return ((b - a) % size + size) % size;
            };
            for (int j = 0; j < lattice.sites(); ++j) {
                const int z = j % lattice.nz, y = j / lattice.nz % lattice.ny,
                          x = j / lattice.nz / lattice.ny;
                for (int i = 0; i < lattice.sites(); ++i) {
                    const int dz = apart(i % lattice.nz, z, lattice.nz);
                    const int dy = apart(i / lattice.nz % lattice.ny, y, lattice.ny);
                    const int dx = apart(i / lattice.nz / lattice.ny, x, lattice.nx);
                    spins.pair.push_back(
                        f[static_cast<std::size_t>((dx * lattice.ny + dy) * lattice.nz + dz)]);
                }
            }
        }
    }
    if (spins.rate1.empty()) add_rates(experiment, {}, spins.offset.size(), spins);
    for (double& offset : spins.offset) {
        offset = kRadPerUsPerKhz * (offset + line.centre_khz);
    }
    return spins;
}

double count_of_spins(const Experiment& experiment, double longest_us) {
    if (!couples_all_alike(experiment)) return experiment.lattice.sites();
    if (experiment.line.spins > 0) return experiment.line.spins;
    const double strengths = static_cast<double>(strengths_of(experiment.sequence, 1.0).size());
    if (experiment.sites.empty()) return strengths * line_rule_nodes(experiment.line, longest_us);
    double count = 0.0;
    for (const nmrsim::Site& site : experiment.sites) {
        count += strengths * line_rule_nodes(line_of(experiment, site), longest_us);
    }
    return count;
}

double coupling_sum(const Experiment& experiment) {
    if (couples_all_alike(experiment)) return 1.0;
    double sum = 0.0;
    for (const double f : coupling_table(experiment)) sum += std::abs(f);
    return sum;
}

}  // namespace oracle
