#include "nmrsim/experiment_file.h"

#include <cmath>
#include <limits>
#include <set>

#include "catch_compat.h"
#include "nmrsim/errors.h"
#include "nmrsim/parameters.h"
#include "nmrsim/units.h"
#include "temporary_folder.h"

using namespace nmrsim;

namespace {

/// Field by field, bit by bit.
void check_same(const Experiment& a, const Experiment& b) {
    CHECK(a.name == b.name);
    CHECK(a.interaction.kernel.index() == b.interaction.kernel.index());
    CHECK(a.interaction.normalize == b.interaction.normalize);
    CHECK(a.interaction.alpha_y_khz == b.interaction.alpha_y_khz);
    CHECK(a.lattice.nx == b.lattice.nx);
    CHECK(a.lattice.ny == b.lattice.ny);
    CHECK(a.lattice.seed == b.lattice.seed);
    CHECK(a.line.shape == b.line.shape);
    CHECK(a.line.renormalize == b.line.renormalize);
    CHECK(a.acquisition.points == b.acquisition.points);
    CHECK(a.accuracy.nodes == b.accuracy.nodes);
    CHECK(a.accuracy.steps_per_point == b.accuracy.steps_per_point);
    CHECK(a.accuracy.magnus_order == b.accuracy.magnus_order);
    CHECK(a.accuracy.frame == b.accuracy.frame);
    CHECK(a.lattice.nz == b.lattice.nz);
    CHECK(a.line.spins == b.line.spins);
    REQUIRE(a.line.table.size() == b.line.table.size());
    for (std::size_t i = 0; i < a.line.table.size(); ++i) {
        CHECK(a.line.table[i].offset_khz == b.line.table[i].offset_khz);
        CHECK(a.line.table[i].weight == b.line.table[i].weight);
    }
    CHECK(a.accuracy.precision == b.accuracy.precision);
    for (const Parameter& row : parameter_table()) {
        INFO(row.name);
        CHECK(row.applies(a) == row.applies(b));
        CHECK(row.get(a) == row.get(b));
        CHECK(std::signbit(row.get(a)) == std::signbit(row.get(b)));
    }
    const std::vector<Event> events_a = sequence_events(a.sequence),
                             events_b = sequence_events(b.sequence);
    CHECK(a.sequence.program.index() == b.sequence.program.index());
    REQUIRE(events_a.size() == events_b.size());
    for (std::size_t i = 0; i < events_a.size(); ++i) {
        REQUIRE(events_a[i].index() == events_b[i].index());
        if (const auto* pulse = std::get_if<Pulse>(&events_a[i])) {
            CHECK(pulse->flip_deg == std::get<Pulse>(events_b[i]).flip_deg);
            CHECK(pulse->phase_deg == std::get<Pulse>(events_b[i]).phase_deg);
            CHECK(pulse->duration_us == std::get<Pulse>(events_b[i]).duration_us);
        } else {
            CHECK(std::get<Delay>(events_a[i]).duration_us ==
                  std::get<Delay>(events_b[i]).duration_us);
        }
    }
    REQUIRE(a.phase_cycle.steps.size() == b.phase_cycle.steps.size());
    for (std::size_t i = 0; i < a.phase_cycle.steps.size(); ++i) {
        CHECK(a.phase_cycle.steps[i].pulse_deg == b.phase_cycle.steps[i].pulse_deg);
        CHECK(a.phase_cycle.steps[i].receiver_deg == b.phase_cycle.steps[i].receiver_deg);
    }
    REQUIRE(a.prior.size() == b.prior.size());
    for (std::size_t i = 0; i < a.prior.size(); ++i) {
        CHECK(a.prior[i].name == b.prior[i].name);
        CHECK(a.prior[i].low == b.prior[i].low);
        CHECK(a.prior[i].high == b.prior[i].high);
        CHECK(a.prior[i].choices == b.prior[i].choices);
    }
    REQUIRE(a.challenge.size() == b.challenge.size());
    for (std::size_t i = 0; i < a.challenge.size(); ++i) {
        CHECK(a.challenge[i].name == b.challenge[i].name);
        CHECK(a.challenge[i].parameter == b.challenge[i].parameter);
        CHECK(a.challenge[i].scale == b.challenge[i].scale);
    }
    CHECK(a.score.scale == b.score.scale);
    CHECK(a.score.curves == b.score.curves);
}

std::string error_of(const std::string& toml) {
    return message_of<InputError>([&] { parse_experiment(toml, "f.toml"); });
}

std::string setting_error(const std::string& setting, const char* name = "published-echo") {
    Experiment experiment = load_experiment(name);
    return message_of<InputError>([&] { apply_setting(experiment, setting); });
}

double spacing_us(const Acquisition& acquisition) {
    return (acquisition.stop_us - acquisition.start_us) / (acquisition.points - 1);
}

}  // namespace

TEST_CASE("seven experiments ship, each with a summary") {
    CHECK(shipped_experiments() ==
          std::vector<std::string>{"challenge-2020", "challenge-2021", "challenge-2024-gaussian",
                                   "challenge-2024-rkky", "kernel-recognition", "published-echo",
                                   "summed-kernel"});
    for (const std::string& name : shipped_experiments()) {
        CHECK(shipped_experiment_summary(name).size() > 20);
        CHECK(load_experiment(name).name == name);
    }
    CHECK_THROWS_WITH(shipped_experiment_summary("challenge-2022"),
                      ContainsSubstring("did you mean challenge-2020?"));
}

TEST_CASE("challenge 2021 has the times, line and ranges of its generator") {
    const Experiment e = load_experiment("challenge-2021");
    const auto& echo = std::get<HahnEcho>(e.sequence.program);
    // Times are whole numbers of 1/(2 pi) us: an ulp or two of 268 us.
    const double dt_us = 1.0 / kTwoPi, rounding = 2e-13;
    CHECK(is_uniform(e));
    CHECK(std::abs(echo.tau_us - 628.0 * dt_us) < rounding);
    CHECK(e.acquisition.points == 856);
    CHECK(std::abs(spacing_us(e.acquisition) - dt_us) < rounding);
    const std::vector<double> times = acquisition_times_us(e);
    CHECK(std::abs(times[428] - 2.0 * echo.tau_us) < rounding);
    CHECK_FALSE(e.line.renormalize);
    // The generator's sum over its grid is 0.9366; the integral differs by the ends' half cells.
    CHECK(line_weight(e.line) == Approx(2.0 / kPi * std::atan(10.0)).epsilon(1e-14));
    // exp(-i theta I) along x and y is exp(+i theta I) along -x and -y.
    CHECK(echo.flip_phase_deg == 180.0);
    CHECK(echo.refocus_phase_deg == 270.0);
    REQUIRE(e.prior.size() == 3);
    CHECK((e.prior[0].name == "alpha_x_khz" && e.prior[0].high == 150.0));
    CHECK((e.prior[1].name == "alpha_z_khz" && e.prior[1].high == 300.0));
    CHECK((e.prior[2].name == "flip_deg" && e.prior[2].low == 10.0 && e.prior[2].high == 90.0));
}

TEST_CASE("challenge 2020 and 2024 share their times") {
    for (const char* name : {"challenge-2020", "challenge-2024-gaussian", "challenge-2024-rkky"}) {
        const Experiment e = load_experiment(name);
        const auto& echo = std::get<HahnEcho>(e.sequence.program);
        CHECK(std::abs(echo.tau_us - 157.0 / kPi) < 2e-14);
        CHECK(e.acquisition.start_us == 0.0);
        CHECK(e.acquisition.points == 471);
        CHECK(std::abs(spacing_us(e.acquisition) - 1.0 / kPi) < 1e-15);
        CHECK((echo.flip_deg == 90.0 && echo.refocus_ratio == 2.0));
        CHECK(e.interaction.alpha_z_khz == 0.0);
        CHECK(e.line.renormalize);
    }
}

TEST_CASE("the challenges have the scores of their rules") {
    const Experiment y2020 = load_experiment("challenge-2020");
    CHECK(y2020.score.scale == ScoreScale::range);
    CHECK(y2020.score.curves == 500);
    CHECK(load_experiment("challenge-2021").score.scale == ScoreScale::variance);
    CHECK(load_experiment("challenge-2021").score.curves == 1000);
    CHECK(load_experiment("challenge-2024-rkky").score.curves == 6000);
    CHECK(load_experiment("published-echo").score.scale == ScoreScale::none);
    Experiment e = y2020;
    apply_setting(e, "challenge.score=none");
    CHECK(experiment_to_toml(e).find("score") == std::string::npos);
    CHECK_THROWS_WITH(apply_setting(e, "challenge.score=ranges"),
                      ContainsSubstring("did you mean range?"));
    CHECK_THROWS_WITH(apply_setting(e, "challenge.score_curves=0"),
                      ContainsSubstring("must be >= 1, got 0"));
}

TEST_CASE("challenge 2020 has half of alpha acting through a normalised power law") {
    const Experiment e = load_experiment("challenge-2020");
    CHECK(std::holds_alternative<PowerLawKernel>(e.interaction.kernel));
    CHECK(e.interaction.normalize);
    CHECK((e.lattice.nx == 50 && e.lattice.ny == 50));
    CHECK(e.relaxation.d_base == 10.0);
    REQUIRE(e.prior.size() == 4);
    REQUIRE(e.challenge.size() == 4);
    CHECK(e.challenge[0].scale * e.prior[0].high == Approx(0.2).epsilon(1e-15));
    CHECK(e.challenge[0].parameter == e.prior[0].name);
}

TEST_CASE("challenge 2024 draws alpha up to 20 MHz and alpha |sum f| / N from 0.05 to 0.25 MHz") {
    for (const char* name : {"challenge-2024-gaussian", "challenge-2024-rkky"}) {
        const Experiment e = load_experiment(name);
        CHECK_FALSE(e.interaction.normalize);
        CHECK(e.lattice.sites() == 10000);
        CHECK(e.relaxation.d_base == std::exp(1.0));
        REQUIRE(e.prior.size() == 3);
        REQUIRE(e.challenge[0].parameter == "alpha_x_khz");
        CHECK(e.prior[0].high * e.challenge[0].scale == Approx(20.0).epsilon(1e-14));
        for (const double alpha : {e.prior[0].low, 0.1, 0.5, e.prior[0].high}) {
            for (const auto& [summed_khz, mhz] :
                 {std::pair(e.prior[1].low, 0.05), std::pair(e.prior[1].high, 0.25)}) {
                const double values[] = {alpha, summed_khz, 0.0};
                const Experiment one = with_parameters(e, values);
                const double alpha_mhz = one.interaction.alpha_x_khz * e.challenge[0].scale;
                const double sum = kernel_sum(one.interaction, one.lattice);
                // The root of xi is found to rounding.
                CHECK(alpha_mhz * std::abs(sum) / 1e4 == Approx(mhz).epsilon(1e-12));
                const double xi = parameter("xi").get(one);
                CHECK((xi > 2.8 && xi < 101.0));
            }
        }
        // The smallest alpha was chosen to reach the task's largest xi, "about 100".
        const double broadest[] = {e.prior[0].low, e.prior[1].high, 0.0};
        CHECK(parameter("xi").get(with_parameters(e, broadest)) > 90.0);
        const double most[] = {0.5, 50.0, e.prior[2].high};
        CHECK(with_parameters(e, most).relaxation.gamma3_per_s / kChallengeRatePerS ==
              Approx(0.0025).epsilon(1e-14));
    }
}

TEST_CASE("the published echo has the summed coupling of its first row") {
    const Experiment e = load_experiment("published-echo");
    const auto& echo = std::get<HahnEcho>(e.sequence.program);
    // 0.86477 kHz times the kernel sum, 10^4 terms.
    CHECK(e.interaction.alpha_x_khz ==
          Approx(0.86477 * kernel_sum(e.interaction, e.lattice)).epsilon(1e-13));
    CHECK(e.interaction.normalize);
    CHECK((echo.flip_phase_deg == 0.0 && echo.refocus_phase_deg == 0.0));
    CHECK(echo.tau_us == Approx(166 * 0.3).epsilon(1e-15));
    CHECK(e.acquisition.points == 499);
    CHECK(spacing_us(e.acquisition) == Approx(0.3).epsilon(1e-15));
}

TEST_CASE("the kernel tasks draw three kernels with the summed coupling that they say") {
    const std::vector<std::string> kernels = {"gaussian", "power-law", "rkky"};
    for (const auto& [name, tau_us] :
         {std::pair("kernel-recognition", 100.0), std::pair("summed-kernel", 49.8)}) {
        INFO(name);
        const Experiment e = load_experiment(name);
        CHECK_FALSE(e.interaction.normalize);
        CHECK(e.lattice.sites() == 10000);
        CHECK(std::get<HahnEcho>(e.sequence.program).tau_us == tau_us);
        CHECK(spacing_us(e.acquisition) == Approx(0.3).epsilon(1e-15));
        CHECK(e.acquisition.stop_us > 2.0 * tau_us + 40.0);
        CHECK(e.challenge.empty());
        REQUIRE(e.prior.size() == 4);
        REQUIRE(find_categorical(e.prior));
        CHECK(find_categorical(e.prior)->choices == kernels);
        std::set<std::string> seen;
        for (std::uint64_t i = 0; i < 30; ++i) {
            const std::vector<double> values = draw_parameters(e.prior, 1, i);
            const Experiment one = with_parameters(e, values);
            seen.insert(std::string(kernel_name(one.interaction.kernel)));
            for (std::size_t k = 0; k < 4; ++k) {
                const Parameter& row = parameter(e.prior[k].name);
                // An exponent that does not apply stays a draw.
                if (row.applies(one)) CHECK(row.get(one) == Approx(values[k]).epsilon(1e-12));
            }
            // The kernel sum keeps away from 0, so that alpha stays finite.
            const double sum = kernel_sum(one.interaction, one.lattice);
            CHECK(std::abs(sum) > 1.0);
            CHECK(one.interaction.alpha_x_khz > 0.0);
        }
        CHECK(seen.size() == 3);
    }
    CHECK(load_experiment("summed-kernel").prior[0].name == "summed_khz");
    CHECK(load_experiment("kernel-recognition").prior[0].name == "kernel");
}

TEST_CASE("an unknown kernel is a list of names, in the file and in settings") {
    const std::string interaction = "[interaction]\nkernel = \"rkky\"\n";
    const Experiment e = parse_experiment(
        "[prior]\nexponent = [2, 4]\nkernel = [\"power-law\", \"rkky\"]\n" + interaction, "f.toml");
    REQUIRE(e.prior.size() == 2);
    CHECK(e.prior[0].name == "exponent");
    CHECK(e.prior[1].choices == std::vector<std::string>{"power-law", "rkky"});
    CHECK((e.prior[1].low == 0.0 && e.prior[1].high == 2.0));
    CHECK_THAT(experiment_to_toml(e), ContainsSubstring("kernel = [\"power-law\", \"rkky\"]\n"));
    check_same(parse_experiment(experiment_to_toml(e), "written"), e);

    Experiment changed = load_experiment("kernel-recognition");
    apply_setting(changed, "prior.kernel=[\"gaussian\",\"power-law\"]");
    CHECK(changed.prior[0].choices == std::vector<std::string>{"gaussian", "power-law"});
    CHECK(changed.prior.size() == 4);
    CHECK_NOTHROW(changed.validate());
    apply_setting(changed, "interaction.kernel=power-law");
    CHECK_NOTHROW(changed.validate());

    CHECK(
        error_of(interaction + "[prior]\nkernel = [\"rkky\", \"gausian\"]\n") ==
        "f.toml:4: prior.kernel must name some of gaussian, power-law, rkky, got \"gausian\"; did "
        "you mean gaussian?");
    CHECK(error_of(interaction + "[prior]\nkernel = [0, 4]\n") ==
          "f.toml:4: prior.kernel[0]: expected a string, found 0");
    CHECK(error_of(interaction + "[prior]\nkernel = \"rkky\"\n") ==
          "f.toml:4: prior.kernel: expected a list of names, as in [\"gaussian\", \"rkky\"], found "
          "the string \"rkky\"");
    CHECK(error_of(interaction + "[prior]\nkernel = [\"rkky\"]\n") ==
          "f.toml:4: prior.kernel must have at least 2 choices, got 1");
    CHECK(error_of(interaction + "[prior]\nxi = [\"rkky\", \"gaussian\"]\n") ==
          "f.toml:4: prior.xi: expected [low, high], found the string \"rkky\"");
    CHECK(error_of("[prior]\nkernel = [\"rkky\", \"gaussian\"]\n") ==
          "f.toml: interaction.kernel must be one of prior.kernel's choices (rkky, gaussian), got "
          "uniform");
    CHECK(error_of(interaction + "[prior]\nkernel = [\"rkky\", \"gaussian\"]\n" +
                   "[challenge]\ncolumns = [{parameter = \"xi\"}]\n") ==
          "f.toml: challenge.columns must be left out where the kernel is an unknown");
}

TEST_CASE("experiments written as TOML read back the same") {
    for (const std::string& name : shipped_experiments()) {
        INFO(name);
        const Experiment e = load_experiment(name);
        check_same(parse_experiment(experiment_to_toml(e), "written"), e);
    }
    Experiment odd = load_experiment("challenge-2024-rkky");
    odd.name = "a \"name\" \\ with\ttab and umlaut \xC3\xBC";
    odd.interaction.alpha_y_khz = 1.0 / 3.0;
    odd.interaction.alpha_z_khz = -0.0;
    odd.interaction.angular = {0.1, 1e-300};
    odd.lattice.seed = std::numeric_limits<std::uint64_t>::max();
    odd.line.shape = LineShape::gaussian;
    odd.line.larmor_mhz = 123456.0;
    odd.sequence.program =
        std::vector<Event>{Pulse{90.0, 1e-7}, Delay{0.1}, Pulse{-180.0, 33.3, 0.3}};
    odd.sequence.pulse_scale = 0.95;
    odd.phase_cycle.steps = {{{0.0, 1e-3}, 90.0}, {{-90.0, 1.0 / 3.0}, 0.0}, {{1.0, 2.0}, -45.5}};
    odd.acquisition.receiver_phase_deg = -12.5;
    odd.acquisition.gain = 1e-4;
    odd.acquisition.dead_time_us = 3.25;
    odd.accuracy = {1e-5, 300, 0.7, 3, Frame::laboratory, Precision::double_};
    odd.start = {0.1, -1.0 / 3.0, 0.25};
    odd.lattice.nz = 3;
    odd.line.centre_khz = -7.7;
    odd.line.spins = 12;
    check_same(parse_experiment(experiment_to_toml(odd), "written"), odd);
    odd.line.shape = LineShape::table;
    odd.line.table = {{-10.0, 1.0 / 3.0}, {20.5, 1.0}};
    check_same(parse_experiment(experiment_to_toml(odd), "written"), odd);
    odd.line.shape = LineShape::voigt;
    odd.line.gaussian_half_width_khz = 13.3;
    check_same(parse_experiment(experiment_to_toml(odd), "written"), odd);
    odd.sequence.program = std::vector<Event>{};
    odd.phase_cycle = {{{{}, 0.0}, {{}, 180.0}}};
    odd.prior.clear();
    odd.challenge.clear();
    check_same(parse_experiment(experiment_to_toml(odd), "written"), odd);
}

TEST_CASE("a prior keeps the order of the file") {
    const Experiment e = parse_experiment(
        "[prior]\nflip_deg = [1, 2]\nalpha_z_khz = [0, 1]\ntau_us = [1, 2]\nalpha_x_khz=[3, 4]\n",
        "f.toml");
    CHECK(names_of(e.prior) ==
          std::vector<std::string>{"flip_deg", "alpha_z_khz", "tau_us", "alpha_x_khz"});
}

TEST_CASE("derived keys are read after what they depend on, wherever they stand") {
    const Experiment e = parse_experiment(
        "[interaction]\nsummed_khz = 70\nxi = 3\nkernel = \"gaussian\"\n"
        "[relaxation]\nd = 2\nd_base = 100\n[lattice]\nnx = 20\nny = 20\n",
        "f.toml");
    CHECK(e.interaction.alpha_x_khz * kernel_sum(e.interaction, e.lattice) ==
          Approx(70.0).epsilon(1e-13));
    CHECK(e.relaxation.gamma3_per_s == Approx(kChallengeRatePerS * 1e-4).epsilon(1e-13));
}

TEST_CASE("the last sample may be given by the time between samples") {
    const Experiment e = parse_experiment(
        "[acquisition]\ndwell_us = 0.25\nstart_us = 3.0\npoints = 101\n", "f.toml");
    CHECK(e.acquisition.stop_us == 28.0);
    CHECK(error_of("[acquisition]\ndwell_us = 0.25\nstop_us = 3.0\n") ==
          "f.toml:2: acquisition.dwell_us and acquisition.stop_us say the same: keep one");
    CHECK(error_of("[acquisition]\ndwell_us = 0.25\npoints = 1\n") ==
          "f.toml:2: acquisition.dwell_us does not apply to a single point");
    CHECK(error_of("[acquisition]\ndwell_us = 0\n") ==
          "f.toml: acquisition.stop_us must be finite and > start_us = 0, got 0");
    CHECK(setting_error("prior.dwell_us=[1,2]") != "");
}

TEST_CASE("a sequence may be given as text, with its window") {
    const Experiment e = parse_experiment(
        "[sequence]\nflip_deg = 30\nprogram = \"hahn 40us; acquire 1us 2us 3\"\n", "f.toml");
    CHECK(std::get<HahnEcho>(e.sequence.program).tau_us == 40.0);
    CHECK(std::get<HahnEcho>(e.sequence.program).flip_deg == 30.0);  // text first, then keys
    CHECK((e.acquisition.start_us == 1.0 && e.acquisition.points == 3));
    const Experiment train = parse_experiment(
        "[acquisition]\npoints = 7\n[sequence]\nprogram = \"cpmg 4us 8\"\n", "f.toml");
    CHECK(sequence_events(train.sequence).size() == 17);
    check_same(parse_experiment(experiment_to_toml(train), "written"), train);
    CHECK(error_of("[sequence]\nprogram = \"pulse 90\"\n") ==
          "f.toml:2: sequence item 1 \"pulse 90\": expected x, y, -x, -y or an angle in degrees as "
          "PHASE, found its end");
    CHECK(error_of("[sequence]\nprogram = 3\n") ==
          "f.toml:2: sequence.program: expected a string, found 3");
    CHECK(error_of("[sequence]\nprogram = \"fid\"\nevents = []\n") ==
          "f.toml:2: sequence.program and sequence.events say the same: keep one");
    CHECK(error_of("[sequence]\nprogram = \"fid; acquire 0 1us 3\"\n[acquisition]\npoints=3\n") ==
          "f.toml:2: acquire in sequence.program and acquisition.points say the same: keep one");
    CHECK(error_of("[sequence]\nprogram = \"fid\"\nflip_deg = 3\n") ==
          "f.toml:3: sequence.flip_deg does not apply to a sequence given by its events");
}

TEST_CASE("a phase cycle is two arrays, in any order") {
    const Experiment e = parse_experiment(
        "[phase_cycle]\nreceiver = [0, 180.5]\npulses = [[0, 0], [180, 90.0]]\n", "f.toml");
    REQUIRE(e.phase_cycle.steps.size() == 2);
    CHECK(e.phase_cycle.steps[1].pulse_deg == std::vector<double>{180.0, 90.0});
    CHECK(e.phase_cycle.steps[1].receiver_deg == 180.5);
    // Without receiver: its phase stays.
    CHECK(parse_experiment("[phase_cycle]\npulses = [[0, 0]]\n", "f.toml")
              .phase_cycle.steps[0]
              .receiver_deg == 0.0);
    CHECK(error_of("[phase_cycle]\nreceiver = [0, 1, 2]\npulses = [[0, 0]]\n") ==
          "f.toml:2: phase_cycle.receiver: expected 1 phases, one for each row of pulses, found 3");
    CHECK(error_of("[phase_cycle]\npulses = [[0, 0], [0]]\n") ==
          "f.toml: phase_cycle.pulses[1] must have a phase for each of the 2 pulses of the "
          "sequence, got 1");
    CHECK(error_of("[phase_cycle]\npulses = [0, 0]\n") ==
          "f.toml:2: phase_cycle.pulses[0]: expected an array of phases in degrees, found 0");
    CHECK(error_of("[phase_cycle]\npulses = [[0, \"x\"]]\n") ==
          "f.toml:2: phase_cycle.pulses[0][1]: expected a number, found the string \"x\"");
    CHECK(error_of("[phase_cycle]\npulses = 3\n") ==
          "f.toml:2: phase_cycle.pulses: expected an array with an array of phases for each step, "
          "found 3");
    CHECK(error_of("[phase_cycle]\nphases = 3\n") ==
          "f.toml:2: unknown key phase_cycle.phases; did you mean pulses?");
}

TEST_CASE("relaxation may be given as T1 and T2") {
    const Experiment e = parse_experiment("[relaxation]\nt2_us = 30\nt1_us = 40\n", "f.toml");
    CHECK(1e6 / e.relaxation.longitudinal_rate() == Approx(40.0));
    CHECK(1e6 / e.relaxation.transverse_rate() == Approx(30.0));
}

TEST_CASE("a file may say that there is none of the odd angular factor, which is gone") {
    const std::string table = "[interaction]\nkernel = \"gaussian\"\n";
    CHECK(experiment_to_toml(parse_experiment(table + "p_weight = 0.0\n", "f.toml")) ==
          experiment_to_toml(parse_experiment(table, "f.toml")));
    CHECK(error_of(table + "p_weight = 0.4\n") ==
          "f.toml:3: interaction.p_weight: expected 0 or no such key, found 0.4");
}

TEST_CASE("texts that cannot be used are named by line and key") {
    CHECK(error_of("[interaction]\nkernel = \"gaussian\"\nalfa_x_khz = 3\n") ==
          "f.toml:3: unknown key interaction.alfa_x_khz; did you mean alpha_x_khz?");
    CHECK(error_of("[line]\nxi = 3\n") ==
          "f.toml:2: unknown key line.xi; did you mean interaction.xi?");
    CHECK(error_of("\n[interactoin]\n") ==
          "f.toml:2: unknown table interactoin; did you mean interaction?");
    CHECK(error_of("nmae = 3\n") == "f.toml:1: unknown key nmae; did you mean name?");
    CHECK(error_of("name = 3\n") == "f.toml:1: name: expected a string, found 3");
    CHECK(error_of("line = 3\n") == "f.toml:1: line: expected a table, found 3");
    CHECK(error_of("[line]\nhalf_width_khz = \"wide\"\n") ==
          "f.toml:2: line.half_width_khz: expected a number, found the string \"wide\"");
    CHECK(error_of("[acquisition]\npoints = 3.5\n") ==
          "f.toml:2: acquisition.points: expected a whole number, found 3.5");
    CHECK(error_of("[line]\nrenormalize = 1\n") ==
          "f.toml:2: line.renormalize: expected true or false, found 1");
    CHECK(error_of("[interaction]\nkernel = \"gausian\"\n") ==
          "f.toml:2: interaction.kernel: expected one of uniform, gaussian, power-law, rkky, found "
          "\"gausian\"; did you mean gaussian?");
    CHECK(error_of("[interaction]\nkernel = \"rkky\"\nxi = -1\n") ==
          "f.toml:3: interaction.xi must be in [0, 1e+06], got -1");
    CHECK(error_of("[interaction]\nxi = 1\n") ==
          "f.toml:2: interaction.xi does not apply to the uniform kernel");
    CHECK(error_of("[sequence]\nevents = []\ntau_us = 3\n") ==
          "f.toml:3: sequence.tau_us does not apply to a sequence given by its events");
    CHECK(error_of("[sequence]\nevents = [{pulse_deg = 9, angle = 1}]\n") ==
          "f.toml:2: sequence.events[0]: unknown key angle");
    CHECK(error_of("[sequence]\nevents = [{phase_deg = 9}]\n") ==
          "f.toml:2: sequence.events[0]: expected {pulse_deg = ..., phase_deg = ..., duration_us = "
          "...} or {delay_us = ...}, found a table");
    CHECK(error_of("[prior]\nxii = [0, 1]\n") ==
          "f.toml:2: unknown parameter xii; did you mean xi?");
    CHECK(error_of("[prior]\nflip_deg = 3\n") ==
          "f.toml:2: prior.flip_deg: expected [low, high], found 3");
    CHECK(error_of("[prior]\nflip_deg = [2, 1]\n") ==
          "f.toml:2: prior.flip_deg must have low < high, got [2, 1]");
    CHECK(error_of("[relaxation]\nt1_us = 1\n") ==
          "f.toml:2: relaxation.t1_us and relaxation.t2_us must be given together");
    CHECK(error_of("[relaxation]\nt1_us = 1\nt2_us = 3\n") ==
          "f.toml:3: relaxation.t2_us must be <= 2 t1_us = 2 us, got 3");
    CHECK(error_of("[relaxation]\nd = 1\ngamma3_per_s = 3\n") ==
          "f.toml:2: relaxation.d and relaxation.gamma3_per_s say the same: keep one");
    CHECK(error_of("[accuracy]\nmagnus_order = 4\n") ==
          "f.toml:2: accuracy.magnus_order must be in [1, 3], got 4");
    CHECK(error_of("[challenge]\ncolumns = [{name = \"a\", parameter = \"alpha\"}]\n") != "");
    CHECK(error_of("[acquisition]\nstart_us = 200\n") ==
          "f.toml: acquisition.stop_us must be finite and > start_us = 200, got 150");
    CHECK(error_of("[line]\nhalf_width_khz = nan\n") ==
          "f.toml:2: line.half_width_khz must be in [0, 1e+06], got nan");
    CHECK_THAT(error_of("[line\n"), ContainsSubstring("f.toml:1: "));
    CHECK_THAT(error_of("\n\nx = \xff\n"), ContainsSubstring("f.toml:3: "));
}

TEST_CASE("settings change one value") {
    Experiment e = load_experiment("published-echo");
    apply_setting(e, "interaction.xi = 7");
    CHECK(std::get<GaussianKernel>(e.interaction.kernel).xi == 7.0);
    apply_setting(e, "interaction.kernel=power-law");
    CHECK(std::get<PowerLawKernel>(e.interaction.kernel).xi == 7.0);
    CHECK(std::get<PowerLawKernel>(e.interaction.kernel).exponent == 3.0);
    apply_setting(e, "interaction.kernel=\"uniform\"");
    CHECK(is_uniform(e));
    apply_setting(e, "interaction.kernel=gaussian");
    apply_setting(e, "lattice.seed=12345678901234567890");
    CHECK(e.lattice.seed == 12345678901234567890u);
    apply_setting(e, "line.renormalize=false");
    CHECK_FALSE(e.line.renormalize);
    apply_setting(e, "accuracy.nodes=64");
    CHECK(e.accuracy.nodes == 64);
    apply_setting(e, "accuracy.nodes=auto");
    CHECK_FALSE(e.accuracy.nodes);
    apply_setting(e, "accuracy.precision=single");
    CHECK(e.accuracy.precision == Precision::single);
    apply_setting(e, "prior.xi=[2, 9]");
    apply_setting(e, "prior.alpha_z_khz=[0,1]");
    REQUIRE(e.prior.size() == 3);
    CHECK((e.prior[1].name == "xi" && e.prior[1].high == 9.0));
    CHECK(e.prior[2].name == "alpha_z_khz");
    apply_setting(e, "relaxation.t1_us=100");
    apply_setting(e, "relaxation.t2_us=50");
    CHECK(1e6 / e.relaxation.longitudinal_rate() == Approx(100.0));
    CHECK(1e6 / e.relaxation.transverse_rate() == Approx(50.0));
    apply_setting(e, "sequence.events=[{pulse_deg=90},{delay_us=5},{pulse_deg=90,phase_deg=45}]");
    CHECK(std::get<Pulse>(sequence_events(e.sequence)[2]).phase_deg == 45.0);
    apply_setting(e, "sequence.program=\"fid 30; acquire 0 8us 9\"");
    CHECK(sequence_events(e.sequence).size() == 1);
    CHECK((e.acquisition.stop_us == 8.0 && e.acquisition.points == 9));
    apply_setting(e, "name=mine");
    CHECK(e.name == "mine");
    CHECK_NOTHROW(e.validate());
    // Letters beyond ASCII need no quotes here, but must read back from what is written.
    apply_setting(e, "name=größe");
    CHECK(parse_experiment(experiment_to_toml(e), "f.toml").name == "größe");
    CHECK(setting_error("name=u\xff\xf1") == "setting \"name=u\xff\xf1\": expected UTF-8");
}

TEST_CASE("every key that is listed is known, and the table's are all listed") {
    const std::vector<std::string> keys = setting_keys();
    const std::set<std::string> different(keys.begin(), keys.end());
    CHECK(different.size() == keys.size());
    for (const std::string& key : keys) {
        // A date is of the wrong type for any key that is known.
        Experiment e;
        try {
            apply_setting(e, key + "=1979-05-27");
            FAIL(key << " took a date");
        } catch (const InputError& error) {
            CHECK_THAT(error.what(), ContainsSubstring(key + ": expected"));
        }
    }
    for (const Parameter& row : parameter_table()) {
        CHECK(different.count(std::string(row.table) + "." + row.name) == 1);
    }
}

TEST_CASE("settings that make sense only together are checked at the end") {
    Experiment e = load_experiment("published-echo");
    apply_setting(e, "acquisition.start_us=500");
    CHECK_THROWS_AS(e.validate(), std::invalid_argument);
    apply_setting(e, "acquisition.stop_us=600");
    CHECK_NOTHROW(e.validate());
}

TEST_CASE("settings that cannot be used are named, and change nothing") {
    CHECK(setting_error("interaction.alfa_x_khz=3") ==
          "setting \"interaction.alfa_x_khz=3\": unknown key interaction.alfa_x_khz; did you mean "
          "alpha_x_khz?");
    CHECK_THAT(setting_error("xi=3"), ContainsSubstring("did you mean interaction.xi?"));
    CHECK_THAT(setting_error("lin.shape=gaussian"), ContainsSubstring("did you mean line?"));
    CHECK_THAT(setting_error("line"), ContainsSubstring("expected table.key=value"));
    CHECK_THAT(setting_error("line=3"), ContainsSubstring("line.key=value"));
    CHECK_THAT(setting_error("=3"), ContainsSubstring("expected table.key=value"));
    CHECK_THAT(setting_error("line.cutoff_khz="), ContainsSubstring("expected table.key=value"));
    CHECK_THAT(setting_error("line.cutoff_khz=1\nname=2"),
               ContainsSubstring("expected table.key=value"));
    CHECK_THAT(setting_error("line.cutoff_khz=-1"),
               ContainsSubstring("line.cutoff_khz must be in [0, 1e+06], got -1"));
    CHECK_THAT(setting_error("line.cutoff_khz=wide"), ContainsSubstring("expected a number"));
    CHECK_THAT(setting_error("interaction.exponent=3"),
               ContainsSubstring("does not apply to the gaussian kernel"));
    CHECK_THAT(setting_error("lattice.nx=0"), ContainsSubstring("lattice.nx must be >= 1, got 0"));
    CHECK_THAT(setting_error("lattice.nx=99999999999"), ContainsSubstring("too large"));
    CHECK_THAT(setting_error("lattice.seed=-1"), ContainsSubstring("expected a whole number >= 0"));
    CHECK_THAT(setting_error("prior.xi=[3"), ContainsSubstring("setting \"prior.xi=[3\""));
    CHECK_THAT(setting_error("prior.xi=[3,2]"), ContainsSubstring("low < high"));
    CHECK_THAT(setting_error("prior.tolerance=[0.1,0.2]"),
               ContainsSubstring("cannot be an unknown"));
    CHECK_THAT(setting_error("accuracy.magnus_order=0"),
               ContainsSubstring("must be in [1, 3], got 0"));

    Experiment e = load_experiment("published-echo");
    CHECK_THROWS_AS(apply_setting(e, "lattice.nx=0"), InputError);
    CHECK_THROWS_AS(apply_setting(e, "prior.xi=[3,2]"), InputError);
    CHECK_THROWS_AS(apply_setting(e, "sequence.events=[{delay_us=-1}]"), InputError);
    check_same(e, load_experiment("published-echo"));
}

TEST_CASE("experiments come from files by their path") {
    const TemporaryFolder folder;
    const std::string path = folder.write("mine.toml", "[line]\nhalf_width_khz = 5\n");
    const Experiment e = load_experiment(path);
    CHECK(e.line.half_width_khz == 5.0);
    CHECK(e.name == "mine");
    folder.write("broken.toml", "[line]\nhalf_width_khz = 0\n");
    CHECK(message_of<InputError>([&] { load_experiment(folder / "broken.toml"); }) ==
          folder / "broken.toml" + ": line.half_width_khz must be > 0, got 0");
    CHECK_THAT(message_of<InputError>([&] { load_experiment(folder.path()); }),
               ContainsSubstring("found a folder"));
    CHECK(message_of<InputError>([&] { load_experiment("published-ecko"); }) ==
          "no experiment published-ecko: neither one that ships nor a file; did you mean "
          "published-echo?");
}
