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
        LineRule rule = line_rule(line, longest_us, refinement);
        spins.offset = std::move(rule.offset_khz);
        spins.weight = std::move(rule.weight);
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
    for (double& offset : spins.offset) {
        offset = kRadPerUsPerKhz * (offset + line.centre_khz);
    }
    return spins;
}

double count_of_spins(const Experiment& experiment, double longest_us) {
    if (!couples_all_alike(experiment)) return experiment.lattice.sites();
    if (experiment.line.spins > 0) return experiment.line.spins;
    return line_rule_nodes(experiment.line, longest_us);
}

double coupling_sum(const Experiment& experiment) {
    if (couples_all_alike(experiment)) return 1.0;
    double sum = 0.0;
    for (const double f : coupling_table(experiment)) sum += std::abs(f);
    return sum;
}

}  // namespace oracle
