#include "random_experiment.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "chance.h"
#include "nmrsim/experiment_file.h"
#include "nmrsim/parameters.h"
#include "oracle/bloch_oracle.h"
#include "oracle/spins.h"
#include "random_sequence.h"

namespace differential {
namespace {

using namespace nmrsim;

/// What the oracle may cost [s]; now and then the most.
constexpr double kUsualCost = 0.12;
constexpr double kMostCost = 0.8;
/// Largest coupling of a spin to all others [kHz].
constexpr double kMostSummedKhz = 1000.0;

Line random_line(Chance& chance, LineShape shape) {
    Line line;
    line.shape = shape;
    line.cutoff_khz = chance.scaled(1.0, 500.0);
    line.half_width_khz = line.cutoff_khz * chance.scaled(1e-4, 1.0);
    if (shape == LineShape::voigt) {
        line.gaussian_half_width_khz = line.cutoff_khz * chance.scaled(1e-4, 1.0);
    }
    if (shape == LineShape::table) {
        // Some reach beyond the cut; the weight within it is not nothing.
        const int points = chance.whole(3, 12);
        std::vector<double> offset = {-line.cutoff_khz * chance.uniform(0.2, 1.3),
                                      line.cutoff_khz * chance.uniform(0.2, 1.3)};
        while (static_cast<int>(offset.size()) < points) {
            offset.push_back(chance.uniform(offset[0], offset[1]));
        }
        std::sort(offset.begin(), offset.end());
        for (const double one : offset) {
            line.table.push_back({one, chance.with(0.2) ? 0.0 : chance.uniform(0.0, 5.0)});
        }
        line.table[line.table.size() / 2].weight = 3.0;
    }
    return line;
}

LineShape any_shape(Chance& chance) {
    return chance.one_of({LineShape::lorentzian, LineShape::lorentzian, LineShape::gaussian,
                          LineShape::voigt, LineShape::table});
}

double random_alpha(Chance& chance) {
    return chance.with(0.1) ? 0.0 : chance.sign() * chance.scaled(0.3, 1000.0);
}

Kernel random_kernel(Chance& chance) {
    switch (chance.whole(0, 2)) {
        case 0:
            return GaussianKernel{chance.scaled(0.5, 10.0)};
        case 1:
            return PowerLawKernel{chance.uniform(0.5, 2.0), chance.uniform(0.5, 6.0)};
        default:
            return RkkyKernel{chance.scaled(0.7, 20.0)};
    }
}

void couple(Chance& chance, Experiment& e, bool lattice) {
    Interaction& interaction = e.interaction;
    interaction.alpha_x_khz = random_alpha(chance);
    if (chance.with(0.2)) interaction.alpha_y_khz = random_alpha(chance);
    interaction.alpha_z_khz = random_alpha(chance);
    if (!lattice) return;
    interaction.kernel = random_kernel(chance);
    if (chance.with(0.4)) {
        interaction.angular.s_weight = chance.uniform(-1.0, 1.0);
        interaction.angular.d_weight = chance.uniform(-1.0, 1.0);
    }
    // The sum of f may be near 0 where the angular factor changes its sign.
    interaction.normalize = chance.with(0.5) && interaction.angular.d_weight == 0.0;
    const double most = kMostSummedKhz / oracle::coupling_sum(e);
    for (double* alpha : {&interaction.alpha_x_khz, &interaction.alpha_z_khz}) {
        *alpha *= std::min(1.0, most / 1000.0);
    }
    if (interaction.alpha_y_khz) *interaction.alpha_y_khz *= std::min(1.0, most / 1000.0);
}

Relaxation random_relaxation(Chance& chance) {
    Relaxation r;
    if (chance.with(0.4)) return r;
    for (double* gamma : {&r.gamma1_per_s, &r.gamma2_per_s, &r.gamma3_per_s}) {
        if (chance.with(0.6)) *gamma = chance.scaled(1e2, 7e5);
    }
    return r;
}

void receive(Chance& chance, Experiment& e) {
    Acquisition& a = e.acquisition;
    if (chance.with(0.15)) a.receiver_phase_deg = chance.uniform(-180.0, 180.0);
    if (chance.with(0.15)) a.gain = chance.scaled(0.01, 100.0);
    if (chance.with(0.15)) a.dead_time_us = chance.scaled(0.05, 10.0);
    if (!chance.with(0.12)) return;
    const int steps = chance.whole(1, 4);
    for (int k = 0; k < steps; ++k) {
        PhaseCycleStep step;
        for (std::size_t p = 0; p < pulse_count(e.sequence); ++p) {
            step.pulse_deg.push_back(chance.with(0.8) ? 90.0 * chance.whole(0, 3)
                                                      : chance.uniform(-180.0, 180.0));
        }
        step.receiver_deg = 90.0 * chance.whole(0, 3);
        e.phase_cycle.steps.push_back(step);
    }
}

void demand(Chance& chance, Experiment& e) {
    Accuracy& accuracy = e.accuracy;
    accuracy.tolerance = chance.with(0.25) ? 1e-4 : chance.scaled(1e-7, 1e-3);
    switch (chance.whole(0, 4)) {
        case 0:
            // What float can hold.
            accuracy.precision = Precision::single;
            accuracy.tolerance = chance.scaled(1e-4, 1e-3);
            break;
        case 1:
            accuracy.precision = Precision::double_;
            break;
        default:
            break;
    }
}

StartState random_start(Chance& chance) {
    const double length = chance.with(0.3) ? 0.5 : chance.uniform(0.01, 0.5);
    const double z = chance.uniform(-1.0, 1.0), phi = chance.uniform(0.0, 6.283185307179586);
    if (chance.with(0.3)) return {0.0, 0.0, chance.sign() * length};
    const double r = std::sqrt(1.0 - z * z) * (1.0 - 1e-9);
    return {length * r * std::cos(phi), length * r * std::sin(phi), length * z * (1.0 - 1e-9)};
}

Lattice random_lattice(Chance& chance, Kind kind) {
    Lattice lattice;
    lattice.seed =
        chance.with(0.1) ? chance.bits() : static_cast<std::uint64_t>(chance.whole(0, 1000));
    const auto side = [&](int most) { return static_cast<int>(chance.scaled(2.0, most + 0.99)); };
    lattice.nx = lattice.ny = lattice.nz = 1;
    int shape = chance.whole(0, 2);
    if (kind == Kind::chain) shape = 0;
    if (kind == Kind::plane) shape = 1;
    if (kind == Kind::volume) shape = 2;
    if (shape == 0) {
        (chance.with(0.7) ? lattice.nx : lattice.ny) = side(300);
    } else if (shape == 1) {
        lattice.nx = side(32);
        lattice.ny = chance.with(0.5) ? lattice.nx : side(32);
    } else {
        lattice.nx = side(6);
        lattice.ny = side(6);
        lattice.nz = side(6);
    }
    return lattice;
}

/// What is drawn once: it must not depend on what the oracle can afford.
struct Traits {
    Kind kind = Kind::uniform;
    LineShape shape = LineShape::lorentzian;
    bool finite = false;      ///< pulses that take time
    bool started = false;     ///< another start state
    bool shifted = false;     ///< the line's centre is off
    bool small = false;       ///< an echo of tiny flips
    bool long_delay = false;  ///< up to 10 ms
};

Traits random_traits(Chance& chance, Kind kind) {
    Traits traits;
    traits.kind = kind;
    const bool more = kind == Kind::uniform_more || kind == Kind::lattice_more ||
                      ((kind == Kind::spins || kind == Kind::volume) && chance.with(0.4));
    traits.shape = any_shape(chance);
    if (kind == Kind::uniform) {
        traits.shape = chance.one_of({LineShape::lorentzian, LineShape::gaussian});
    }
    // One feature at least that the fast simulators may lack; a line of another shape is one.
    const bool other_line = traits.shape == LineShape::voigt || traits.shape == LineShape::table;
    const int feature = chance.whole(0, other_line ? 3 : 2);
    traits.finite = more && (feature == 0 || chance.with(0.3));
    traits.started = more && (feature == 1 || chance.with(0.3));
    traits.shifted = more && (feature == 2 || chance.with(0.3));
    traits.small = chance.with(0.12);
    traits.long_delay = chance.with(0.06);
    return traits;
}

/// Spins of several kinds: sites, strengths of the pulses, or both.
void mix(Chance& chance, Experiment& e) {
    const int what = chance.whole(0, 2);
    if (what != 0) {
        const bool relax = chance.with(0.3);
        for (int k = chance.whole(1, 3); k > 0; --k) {
            Site site;
            site.weight = chance.scaled(0.05, 5.0);
            if (chance.with(0.7)) site.shift_khz = chance.sign() * chance.scaled(0.01, 300.0);
            if (chance.with(0.5)) {
                site.half_width_khz = e.line.half_width_khz * chance.scaled(0.2, 5.0);
                site.gaussian_half_width_khz = e.line.gaussian_half_width_khz;
            }
            if (chance.with(0.4)) site.pulse_scale = chance.uniform(-2.0, 2.0);
            if (relax && chance.with(0.7)) {
                const Relaxation own = random_relaxation(chance);
                site.gamma1_per_s = own.gamma1_per_s;
                if (chance.with(0.7)) site.gamma2_per_s = own.gamma2_per_s;
                if (chance.with(0.7)) site.gamma3_per_s = own.gamma3_per_s;
            }
            e.sites.push_back(site);
        }
    }
    if (what == 1) return;
    if (chance.with(0.7)) {
        e.sequence.pulse_spread = chance.scaled(1e-3, 0.5);
        return;
    }
    for (int k = chance.whole(1, 4); k > 0; --k) {
        e.sequence.strengths.push_back({chance.uniform(-0.5, 2.0), chance.scaled(0.05, 1.0)});
    }
}

/// Dephasing that is no exponential, where the experiment can have it and the last pulse still
/// finds something.
void stretch(Chance& chance, Experiment& e) {
    constexpr double kMostLost = 100.0;
    const double beta = chance.one_of({0.5, 2.0, chance.uniform(0.25, 4.0)});
    if (!chance.with(0.4) || e.relaxation.gamma3_per_s == 0.0) return;
    if (std::pow(0.5e-6 * e.relaxation.gamma3_per_s * last_sample_us(e), beta) > kMostLost) return;
    Experiment stretched = e;
    stretched.relaxation.stretching = beta;
    try {
        stretched.validate();
    } catch (const std::invalid_argument&) {
        return;
    }
    e = stretched;
}

Experiment random_experiment(Chance& chance, const Traits& traits) {
    Experiment e;
    const Kind kind = traits.kind;
    const bool uniform = kind == Kind::uniform || kind == Kind::uniform_more ||
                         kind == Kind::spins || kind == Kind::sites;
    e.line = random_line(chance, traits.shape);
    if (traits.shifted) {
        e.line.centre_khz = chance.sign() * e.line.cutoff_khz * chance.scaled(1e-3, 1.0);
    }
    if (chance.with(0.2)) e.line.renormalize = false;
    if (kind == Kind::spins) e.line.spins = static_cast<int>(chance.scaled(1.0, 1000.0));
    e.lattice = random_lattice(chance, kind);
    couple(chance, e, !uniform);
    e.relaxation = random_relaxation(chance);
    if (traits.started) e.start = random_start(chance);
    e.sequence = random_sequence(chance, traits.finite, traits.small, traits.long_delay);
    if (kind == Kind::sites) mix(chance, e);
    e.acquisition = random_window(chance, e.sequence);
    receive(chance, e);
    demand(chance, e);
    return e;
}

/// Rows that a batch may have as unknowns, and a derivative may be taken by.
constexpr const char* kUnknowns[] = {"alpha_x_khz",   "alpha_z_khz", "flip_deg",
                                     "refocus_ratio", "pulse_scale", "receiver_phase_deg",
                                     "pulse_spread"};
constexpr const char* kSlopes[] = {
    "alpha_x_khz", "alpha_y_khz",  "alpha_z_khz",       "alpha_x_khz",      "alpha_z_khz",
    "xi",          "exponent",     "s_weight",          "d_weight",         "half_width_khz",
    "centre_khz",  "gamma1_per_s", "gamma3_per_s",      "start_mx",         "flip_deg",
    "flip_deg",    "tau_us",       "refocus_phase_deg", "flip_duration_us", "pulse_scale",
    "cutoff_khz",  "gain",         "pulse_spread"};

bool moves_pulses(const std::string& name) {
    return name == "tau_us" || name.ends_with("_duration_us");
}

/// Whether a sample lies at the very beginning or end of a pulse: it jumps as the pulse moves.
bool samples_a_pulse(const Experiment& e) {
    std::vector<double> edges;
    double now = 0.0;
    for (const Event& event : sequence_events(e.sequence)) {
        edges.push_back(now);
        now += std::holds_alternative<Pulse>(event) ? std::get<Pulse>(event).duration_us
                                                    : std::get<Delay>(event).duration_us;
    }
    edges.push_back(now);
    for (const double sample : acquisition_times_us(e)) {
        for (const double edge : edges) {
            if (std::abs(sample - edge) < 1e-3) return true;
        }
    }
    return false;
}

bool can_spread_pulses(Experiment e) {
    e.sequence.pulse_spread = 0.1;
    try {
        e.validate();
    } catch (const std::invalid_argument&) {
        return false;
    }
    return true;
}

template <std::size_t n>
std::string row_that_applies(Chance& chance, const Experiment& e, const char* const (&rows)[n]) {
    for (;;) {
        const std::string name = rows[chance.whole(0, static_cast<int>(n) - 1)];
        if (!parameter(name).applies(e)) continue;
        // An ideal pulse has no field that would act for a time.
        if (name == "flip_duration_us" && !(parameter(name).get(e) > 0.0)) continue;
        if (moves_pulses(name) && samples_a_pulse(e)) continue;
        if (name == "pulse_spread" && !can_spread_pulses(e)) continue;
        // Of several kinds of spins, or where dephasing is stretched, there are derivatives by what
        // moves neither cut nor pulse.
        const bool groups = !e.sites.empty() || !e.sequence.strengths.empty() ||
                            e.sequence.pulse_spread > 0.0 || e.relaxation.stretching != 1.0;
        if (groups && (name == "cutoff_khz" || name == "flip_duration_us")) continue;
        return name;
    }
}

/// What is asked of stretched dephasing.
void ask_of_decay(Chance& chance, Draw& draw) {
    const bool batch = chance.with(0.5), slope = chance.with(0.3);
    const std::string name = chance.with(0.5) ? "stretching" : "gamma3_per_s";
    if (draw.experiment.relaxation.stretching == 1.0) return;
    if (batch && !draw.unknowns.empty()) draw.unknowns.push_back(name);
    if (slope) draw.slope = name;
}

void ask(Chance& chance, Draw& draw) {
    draw.threads = chance.with(0.3) ? 2 : 1;
    if (chance.with(0.35)) {
        for (int k = chance.whole(1, 2); k > 0; --k) {
            const std::string name = row_that_applies(chance, draw.experiment, kUnknowns);
            if (std::find(draw.unknowns.begin(), draw.unknowns.end(), name) ==
                draw.unknowns.end()) {
                draw.unknowns.push_back(name);
            }
        }
        draw.company = static_cast<int>(chance.scaled(1.0, 40.0)) - 1;
        draw.mixed = chance.with(0.6);
    }
    if (chance.with(0.12)) draw.slope = row_that_applies(chance, draw.experiment, kSlopes);
}

}  // namespace

std::string path_of(const Experiment& e) {
    const bool uniform = std::holds_alternative<UniformKernel>(e.interaction.kernel);
    const bool table = e.line.shape == LineShape::voigt || e.line.shape == LineShape::table;
    const bool started = e.start.mx != 0.0 || e.start.my != 0.0 || e.start.mz != 0.5;
    if (has_finite_pulses(e.sequence) || started || e.line.centre_khz != 0.0 ||
        (uniform ? table || e.line.spins > 0 : e.lattice.nz > 1)) {
        return "general";
    }
    return uniform ? "uniform" : "lattice";
}

Kind kind_of_draw(std::uint64_t seed, std::uint64_t index) {
    // Uniform, plane, chain, volume, spins, uniform_more, lattice_more, sites.
    constexpr double kShares[kKinds] = {0.22, 0.17, 0.08, 0.09, 0.10, 0.14, 0.10, 0.10};
    double left = Chance(seed, index).uniform(0.0, 1.0);
    int kind = 0;
    while (kind + 1 < kKinds && left >= kShares[kind]) left -= kShares[kind++];
    return static_cast<Kind>(kind);
}

Draw draw_experiment(std::uint64_t seed, std::uint64_t index) {
    Chance chance(seed, index), of_windows(~seed, index), of_decay(seed + ~index, index);
    chance.bits();  // the kind's
    Draw draw;
    draw.index = index;
    draw.kind = kind_of_draw(seed, index);
    const double most = chance.with(0.05) ? kMostCost : kUsualCost;
    const Traits traits = random_traits(chance, draw.kind);
    for (;;) {
        draw.experiment = random_experiment(chance, traits);
        vary_windows(of_windows, draw.experiment.sequence, draw.experiment.acquisition);
        stretch(of_decay, draw.experiment);
        draw.experiment.name = "draw-" + std::to_string(seed) + "-" + std::to_string(index);
        try {
            draw.experiment.validate();
        } catch (const std::invalid_argument& error) {
            ++draw.passed_over[error.what()];
            continue;
        }
        if (oracle::cost_s(draw.experiment) <= most) break;
        ++draw.passed_over["too long for the oracle"];
    }
    draw.experiment = parse_experiment(experiment_to_toml(draw.experiment), "draw");
    ask(chance, draw);
    ask_of_decay(of_decay, draw);
    return draw;
}

}  // namespace differential
