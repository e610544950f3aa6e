// Names and windows of sequences as text: what they set, move, draw and differentiate.

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "catch_compat.h"
#include "nmrsim/dataset.h"
#include "nmrsim/errors.h"
#include "nmrsim/experiment_file.h"
#include "nmrsim/parameters.h"
#include "nmrsim/sensitivity.h"
#include "nmrsim/sequence_text.h"
#include "nmrsim/simulate.h"
#include "nmrsim/sweep.h"
#include "tangents.h"
#include "temporary_folder.h"

using namespace nmrsim;

namespace {

/// A coupled echo under the sequence, nodes and steps held fixed.
Experiment coupled(const std::string& sequence) {
    Experiment e;
    e.interaction.alpha_x_khz = 60.0;
    e.interaction.alpha_z_khz = 90.0;
    e.acquisition = {0.0, 60.0, 121};
    set_sequence(e, sequence);
    e.accuracy.nodes = 128;
    e.accuracy.steps_per_point = 0.5;
    e.accuracy.precision = Precision::double_;
    return e;
}

std::string error_of(const std::string& text) {
    return message_of<InputError>([&] { parse_sequence(text); });
}

std::string invalid(const Experiment& e) {
    return message_of<std::invalid_argument>([&] { e.validate(); });
}

/// Largest difference of a tangent from a central difference of fourth order, over the largest
/// tangent.
double mismatch(const Experiment& e, const std::string& name, double h) {
    const SignalJacobian j = simulate_with_jacobian(e, std::vector<std::string>{name});
    const TangentError off = tangent_error(j, 0, h, curve_changed(e, name));
    CHECK(off.largest > 1e-4);
    return off.relative();
}

}  // namespace

TEST_CASE("names of a sequence are rows of the table of parameters") {
    const std::string text =
        "let tau = 20us; let theta = 60deg; let r = 2; let rest = 2*(tau-1us); pulse theta x; "
        "delay tau; pulse r*theta y; delay rest/2; pulse 10+theta/2 -30+theta";
    Experiment e = coupled(text);
    const auto same = [&](const std::string& numbers) {
        return sequence_to_text(Sequence{sequence_events(e.sequence)}) ==
               sequence_to_text(parse_sequence(numbers).sequence);
    };
    CHECK(same("pulse 60 x; delay 20us; pulse 120 y; delay 19us; pulse 40 30"));
    CHECK(sequence_rows(e).size() == 3);  // a formula is no value of its own
    const Parameter& tau = parameter("tau");
    CHECK((std::string(tau.table) == "sequence" && std::string(tau.unit) == "us"));
    CHECK((tau.applies(e) && tau.get(e) == 20.0));
    CHECK(std::string(parameter("theta").unit) == "degree");
    CHECK_FALSE(tau.applies(Experiment{}));
    set_parameter(e, "tau", 30.0);
    set_parameter(e, "r", 1.5);
    CHECK(same("pulse 60 x; delay 30us; pulse 90 y; delay 29us; pulse 40 30"));
    apply_setting(e, "sequence.tau=0.025ms");
    apply_setting(e, "sequence.theta=40");
    CHECK(same("pulse 40 x; delay 25us; pulse 60 y; delay 24us; pulse 30 10"));

    // There and back, strength of the pulses apart.
    e.sequence.pulse_scale = 0.5;
    e.prior = {{"tau", 10.0, 40.0}, {"theta", 30.0, 90.0}};
    const Experiment back = parse_experiment(experiment_to_toml(e), "text");
    CHECK(experiment_to_toml(back) == experiment_to_toml(e));
    CHECK(same("pulse 20 x; delay 25us; pulse 30 y; delay 24us; pulse 15 10"));
    e.sequence.pulse_scale = 1.0;
    CHECK(sequence_to_text(parse_sequence(sequence_to_text(e.sequence)).sequence) ==
          sequence_to_text(e.sequence));

    CHECK(message_of<InputError>([&] {
              apply_setting(e, "sequence.tua=3");
          }).ends_with("unknown key sequence.tua; did you mean tau?"));
    CHECK(message_of<InputError>([&] {
              apply_setting(e, "sequence.tau=90deg");
          }).ends_with("sequence.tau: expected a time, such as 50us, found the string \"90deg\""));
    set_parameter(e, "tau", 0.5);  // rest is negative now
    CHECK(invalid(e) == "sequence.events[3].delay_us must be finite and >= 0, got -0.5");
    CHECK_THROWS_AS(with_parameters(e, std::vector<double>{0.5, 40.0}), std::invalid_argument);
    Experiment nameless;
    CHECK(message_of<std::invalid_argument>([&] { set_parameter(nameless, "tau", 3.0); }) ==
          "sequence.tau does not apply to a sequence without this name");
}

TEST_CASE("names are drawn, swept and differentiated") {
    const std::string text =
        "let tau = 20us; let theta = 55; pulse theta x; delay tau; pulse 2*theta y";
    Experiment e = coupled(text);
    Experiment hahn = e;
    hahn.sequence.program = HahnEcho{55.0, 2.0, 0.0, 90.0, 20.0};
    hahn.sequence.names.clear();
    CHECK(largest_difference(simulate(e), simulate(hahn)) == 0.0);

    // The tangents are those of the Hahn echo's own rows.
    const SignalJacobian named =
        simulate_with_jacobian(e, std::vector<std::string>{"tau", "theta"});
    const SignalJacobian known =
        simulate_with_jacobian(hahn, std::vector<std::string>{"tau_us", "flip_deg"});
    double off = 0.0, largest = 0.0;
    for (std::size_t t = 0; t < 2; ++t) {
        for (std::size_t k = 0; k < named.signal.points(); ++k) {
            off = std::max(off, std::hypot(named.dmx[t][k] - known.dmx[t][k],
                                           named.dmy[t][k] - known.dmy[t][k]));
            largest = std::max(largest, std::hypot(known.dmx[t][k], known.dmy[t][k]));
        }
    }
    CHECK(largest > 1e-2);
    CHECK(off < 1e-9 * largest);
    CHECK(mismatch(e, "theta", 0.02) < 1e-7);

    // Both ways through a phase cycle, whose phases the names must not undo.
    e.phase_cycle.steps = {{{0.0, 0.0}, 0.0}, {{180.0, 90.0}, 30.0}};
    hahn.phase_cycle = e.phase_cycle;
    const SignalJacobian cycled = simulate_with_jacobian(e, std::vector<std::string>{"theta"});
    const SignalJacobian of_hahn =
        simulate_with_jacobian(hahn, std::vector<std::string>{"flip_deg"});
    CHECK(largest_difference(cycled.signal, of_hahn.signal) < 1e-14);
    for (std::size_t k = 0; k < cycled.signal.points(); ++k) {
        REQUIRE(cycled.dmx[0][k] == Approx(of_hahn.dmx[0][k]).margin(1e-10));
        REQUIRE(cycled.dmy[0][k] == Approx(of_hahn.dmy[0][k]).margin(1e-10));
    }
    e.phase_cycle = {};

    e.accuracy = {};
    e.prior = {{"theta", 30.0, 80.0}, {"tau", 10.0, 25.0}};
    const Dataset set = generate_dataset(e, 5, 7);
    const std::size_t points = sample_count(e);
    for (std::size_t i = 0; i < 5; ++i) {
        const Signal one =
            simulate(with_parameters(e, std::span(set.parameters).subspan(2 * i, 2)));
        for (std::size_t k = 0; k < points; ++k) {
            REQUIRE(set.signal[2 * i * points + k] == Approx(one.mx[k]).margin(2e-4));
        }
    }
    const std::vector<Signal> swept = simulate_sweep(e, "tau", std::vector<double>{12.0, 20.0});
    CHECK(largest_difference(swept[1], simulate(e)) < 1e-4);
    CHECK(largest_difference(swept[0], swept[1]) > 1e-2);
}

TEST_CASE("windows count from the start, the last pulse or the echo") {
    Experiment e = coupled("hahn 20us 60; acquire echo-15us echo+25us 81");
    CHECK((e.acquisition.origin == TimeOrigin::echo && e.acquisition.start_us == -15.0));
    CHECK((first_sample_us(e) == 25.0 && last_sample_us(e) == 65.0));
    Experiment plain = coupled("hahn 20us 60; acquire 25us 65us 81");
    CHECK(largest_difference(simulate(e), simulate(plain)) == 0.0);
    CHECK(simulate(e).time_us.front() == 25.0);
    CHECK(parse_experiment(experiment_to_toml(e), "text").acquisition.origin == TimeOrigin::echo);
    set_parameter(e, "tau_us", 30.0);
    CHECK((first_sample_us(e) == 45.0 && last_sample_us(e) == 85.0));
    CHECK(moves_samples(e, "tau_us"));
    CHECK_FALSE(moves_samples(e, "flip_deg"));
    CHECK_FALSE(moves_samples(plain, "tau_us"));

    // A pulse takes time: tau is between centres, a pulse's time its end.
    const Sequence finite = parse_sequence("hahn 20us 60 2 x y 2us 4us").sequence;
    CHECK(pulse_end_us(finite) == 1.0 + 20.0 + 2.0);
    CHECK(echo_us(finite) == Approx(1.0 + 40.0).epsilon(1e-15));
    // A train's echoes lie halfway between its pulses; what inverts or saturates before does not
    // count, and a pulse alone has no echo.
    const Sequence train = parse_sequence("cpmg 20us 4").sequence;
    CHECK(echo_us(train, 2) == 40.0);
    CHECK(echo_us(train) == 160.0);
    CHECK(echo_us(parse_sequence("pulse 180 x; delay 5us; hahn 20us").sequence) == 45.0);
    CHECK(echo_us(parse_sequence("fid 90; delay 30us; hahn 20us").sequence) == 70.0);
    CHECK(echo_us(parse_sequence("solid-echo 20us").sequence) == 40.0);

    // A lattice and the general simulator take the same times.
    for (const bool lattice : {false, true}) {
        Experiment other = e, absolute = e;
        for (Experiment* one : {&other, &absolute}) {
            one->accuracy = {};
            if (lattice) {
                one->interaction.kernel = GaussianKernel{2.0};
                one->lattice = {8, 8};
            } else {
                one->line.spins = 50;
            }
        }
        absolute.acquisition = counted_from_start(e);
        CHECK(absolute.acquisition.origin == TimeOrigin::start);
        CHECK(largest_difference(simulate(other), simulate(absolute)) < 1e-12);
    }
}

TEST_CASE("several windows make one signal") {
    const std::string train =
        "pulse 60 x; delay 10us; repeat 3 (pulse 120 y; acquire echo-4us echo+4us 17; delay 20us)";
    Experiment e = coupled(train);
    e.accuracy = {};
    e.accuracy.tolerance = 1e-8;
    REQUIRE(e.acquisition.windows.size() == 3);
    REQUIRE(sample_count(e) == 51);
    const std::vector<double> times = acquisition_times_us(e);
    CHECK((times[0] == 16.0 && times[16] == 24.0 && times[17] == 36.0 && times[50] == 64.0));
    CHECK(sample_spacing_us(e) == 0.5);
    Experiment whole = e;
    whole.acquisition = {0.0, 64.0, 129};
    const Signal some = simulate(e), all = simulate(whole);
    for (std::size_t k = 0; k < 51; ++k) {
        const auto at = static_cast<std::size_t>(std::lround(times[k] / 0.5));
        REQUIRE(some.mx[k] == Approx(all.mx[at]).margin(2e-8));
        REQUIRE(some.my[k] == Approx(all.my[at]).margin(2e-8));
        REQUIRE(some.mz[k] == Approx(all.mz[at]).margin(2e-8));
    }
    // A gap without a pulse in it.
    Experiment gap = coupled("fid 60; acquire 0 5us 11; acquire 20us 22us 3");
    gap.accuracy = e.accuracy;
    const Signal two = simulate(gap);
    gap.acquisition = {0.0, 22.0, 45};
    const Signal one = simulate(gap);
    CHECK(two.mx[13] == Approx(one.mx[44]).margin(1e-8));
    CHECK(two.my[12] == Approx(one.my[42]).margin(1e-8));

    const Experiment back = parse_experiment(experiment_to_toml(e), "text");
    CHECK(acquisition_times_us(back) == times);
    CHECK(experiment_to_toml(back) == experiment_to_toml(e));
    CHECK(message_of<std::invalid_argument>([&] { set_parameter(e, "stop_us", 90.0); }) ==
          "acquisition.stop_us does not apply to windows of the sequence's text");

    // A Hahn echo stays one, whichever pulse a window counts from.
    Experiment hahn = coupled("hahn 20us 60");
    hahn.acquisition.windows = {{1.0, 3.0, 5, TimeOrigin::pulse, 1},
                                {-2.0, 4.0, 7, TimeOrigin::echo, kAllPulses}};
    hahn.acquisition.points = 12;
    const Experiment same = parse_experiment(experiment_to_toml(hahn), "text");
    CHECK(experiment_to_toml(same) == experiment_to_toml(hahn));
    CHECK(acquisition_times_us(same) == acquisition_times_us(hahn));
    CHECK(parameter("tau_us").applies(same));
    const ParsedSequence written =
        parse_sequence(sequence_to_text(hahn.sequence, hahn.acquisition));
    CHECK((written.windows.size() == 2 && written.windows[0].pulses == 1));
    const auto refused = [](const std::string& windows) {
        return message_of<InputError>(
            [&] { parse_experiment("[acquisition]\nwindows = " + windows, "f.toml"); });
    };
    CHECK(refused("3").find("acquisition.windows: expected [{start_us") != std::string::npos);
    CHECK(refused("[{start_us = 1.0}]").find("acquisition.windows[0]: expected {start_us") !=
          std::string::npos);
    CHECK(refused("[{start_us = 1, stop_us = 2, points = 3, orign = \"echo\"}]")
              .ends_with("acquisition.windows[0]: unknown key orign; did you mean origin?"));
    CHECK(refused("[{start_us = 1, stop_us = 2, points = 3}]\npoints = 3")
              .ends_with("acquisition.windows and acquisition.points say the same: keep one"));

    // Names move them, in text and batches.
    Experiment named = coupled(
        "let tau = 10us; let w = 4us; pulse 60 x; delay tau; pulse 120 y; "
        "acquire echo-w echo+2*w 25");
    CHECK((first_sample_us(named) == 16.0 && last_sample_us(named) == 28.0));
    named.prior = {{"tau", 8.0, 14.0}};
    const std::vector<double> taus{9.0, 12.0};
    std::vector<float> batch(2 * 2 * 25);
    simulate_batch(named, taus, {}, batch);
    for (std::size_t i = 0; i < 2; ++i) {
        const Signal alone = simulate(with_parameters(named, std::span(&taus[i], 1)));
        CHECK(alone.time_us.front() == 2.0 * taus[i] - 4.0);
        for (std::size_t k = 0; k < 25; ++k) {
            REQUIRE(batch[(2 * i) * 25 + k] == Approx(alone.mx[k]).margin(1e-6));
        }
    }
    const Experiment again = parse_experiment(experiment_to_toml(named), "text");
    CHECK(experiment_to_toml(again) == experiment_to_toml(named));
    CHECK(message_of<std::invalid_argument>([&] {
              simulate_sweep(named, "tau", std::vector<double>{9.0});
          }).starts_with("sequence.tau cannot be swept: it moves the window"));
    // The tangent is one at the samples, which move.
    named.accuracy = {};
    named.accuracy.tolerance = 1e-10;
    CHECK(mismatch(named, "tau", 0.02) < 1e-5);
    named.accuracy.tolerance = 1e-4;
    e.accuracy = {};
    e.accuracy.tolerance = 1e-10;
    CHECK(mismatch(e, "alpha_x_khz", 0.2) < 1e-5);
}

TEST_CASE("names and windows that cannot be are named in one line") {
    CHECK(error_of("pulse 90 x; delay tau") ==
          "sequence item 2 \"delay tau\": tau has no value from a let before; expected a time >= 0 "
          "with its unit (ns, us, ms or s) as TIME, found tau");
    CHECK(error_of("delay tau; let tau = 3us").find("tau has no value") != std::string::npos);
    CHECK(error_of("let a = b").find("b has no value from a let before") != std::string::npos);
    CHECK(error_of("let tau 3us").ends_with("expected NAME = VALUE"));
    CHECK(error_of("let 3a = 3us").ends_with("as NAME, found 3a"));
    CHECK(error_of("let a = 1; let a = 2").ends_with("expected each name once as NAME, found a"));
    for (const char* taken : {"x", "us", "echo", "pulse", "tau_us", "alpha_x_khz"}) {
        CHECK(error_of(std::string("let ") + taken + " = 1")
                  .ends_with(std::string("a name that nothing else has as NAME, found ") + taken));
    }
    CHECK(error_of("let a = 3us*2us").ends_with("as VALUE, found 3us*2us"));
    CHECK(error_of("let a = 1+").ends_with("as VALUE, found 1+"));
    CHECK(error_of("let a = 1/0").ends_with("as VALUE, found 1/0"));
    CHECK(error_of("let a = 3us; pulse a x").ends_with("such as 90 or 90deg, found a"));
    CHECK(error_of("let a = 3; delay a").ends_with("as TIME, found a"));
    CHECK(error_of("let a = 3us; delay a-5us").ends_with("as TIME, found a-5us"));
    CHECK(error_of("let a = 3us; delay a+5").ends_with("as TIME, found a+5"));
    CHECK(error_of("let n = 3; cpmg 2us n").ends_with("as COUNT, found n"));
    CHECK(error_of("repeat 2 (let a = 1; fid)").ends_with("expected it outside of repeat"));
    CHECK(error_of("fid; acquire echo-5us echo+5us 11") ==
          "sequence item 2 \"acquire echo-5us echo+5us 11\": expected two pulses, which an echo "
          "takes, before it, found 1");
    CHECK(error_of("acquire pulse+1us pulse+5us 11; fid")
              .ends_with("expected a pulse before it, found 0"));
    CHECK(error_of("hahn 5us; acquire pulse+1us echo+5us 11")
              .ends_with("expected START and STOP to count from the same"));

    Experiment e = coupled("hahn 20us; acquire echo-50us echo+50us 101");
    CHECK(invalid(e) ==
          "acquisition.start_us = -50 us from the echo is 10 us before the first pulse");
    e = coupled("fid 90; acquire 0 5us 11; acquire 4us 8us 5");
    CHECK(invalid(e) ==
          "acquisition.windows[1].start_us must be after the window before, which ends at 5 us of "
          "the sequence, got 4 us of the sequence");
    e = Experiment{};
    e.sequence.program = std::vector<Event>{Pulse{}};
    e.acquisition.origin = TimeOrigin::echo;
    CHECK(invalid(e) ==
          "acquisition.origin: a time from an echo needs two pulses before it, found 1");
    e = Experiment{};
    e.prior = {{"no_such_name", 0.0, 1.0}};
    CHECK(invalid(e).starts_with("unknown parameter no_such_name"));
    CHECK(
        message_of<InputError>([] {
            parse_experiment(
                "[sequence]\nprogram = \"fid; acquire pulse+1us pulse+2us 3\"\n"
                "[acquisition]\norigin = \"pulse\"\n",
                "f.toml");
        }).ends_with("acquire in sequence.program and acquisition.origin say the same: keep one"));
}

TEST_CASE("refocus_deg is the second pulse's angle, whatever the first's") {
    Experiment e = coupled("hahn 20us 60 2");
    CHECK(parameter("refocus_deg").get(e) == 120.0);
    set_parameter(e, "refocus_deg", 150.0);
    CHECK(std::get<HahnEcho>(e.sequence.program).refocus_ratio == 2.5);
    e.prior = {{"refocus_deg", 90.0, 180.0}, {"flip_deg", 30.0, 90.0}};
    const Experiment drawn = with_parameters(e, std::vector<double>{100.0, 40.0});
    CHECK(std::get<HahnEcho>(drawn.sequence.program).refocus_ratio == 2.5);
    // By one unknown at the other.
    const auto at = [&](double flip_deg) {
        return simulate(with_parameters(e, std::vector<double>{150.0, flip_deg}));
    };
    const double h = 0.02;
    const SignalJacobian j =
        simulate_with_jacobian(e, std::vector<std::string>{"flip_deg", "refocus_deg"});
    const Signal a = at(60.0 + h), b = at(60.0 - h), c = at(60.0 + 2 * h), d = at(60.0 - 2 * h);
    for (std::size_t k = 0; k < a.points(); ++k) {
        const double difference = (8.0 * (a.mx[k] - b.mx[k]) - (c.mx[k] - d.mx[k])) / (12.0 * h);
        REQUIRE(j.dmx[0][k] == Approx(difference).margin(1e-9));
    }
    CHECK(mismatch(e, "refocus_deg", 0.05) < 1e-7);
    e.prior.push_back({"refocus_ratio", 1.0, 3.0});
    CHECK(invalid(e).ends_with("say the same value: keep one"));
    std::get<HahnEcho>(e.sequence.program).flip_deg = 0.0;
    CHECK_THROWS_AS(set_parameter(e, "refocus_deg", 90.0), std::invalid_argument);
}
