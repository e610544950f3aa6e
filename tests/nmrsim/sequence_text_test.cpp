// Sequences as text: what the ones with a name do to uncoupled spins, what is read, what is
// refused, and there and back.

#include "nmrsim/sequence_text.h"

#include <algorithm>
#include <cmath>
#include <complex>
#include <map>
#include <string>
#include <vector>

#include "catch_compat.h"
#include "nmrsim/errors.h"
#include "nmrsim/line.h"
#include "nmrsim/simulate.h"
#include "nmrsim/units.h"
#include "temporary_folder.h"

using namespace nmrsim;
using Complex = std::complex<double>;

namespace {

std::vector<Event> events_of(const std::string& text) {
    return sequence_events(parse_sequence(text).sequence);
}

void check_same(const std::vector<Event>& a, const std::vector<Event>& b) {
    REQUIRE(a.size() == b.size());
    for (std::size_t i = 0; i < a.size(); ++i) {
        REQUIRE(a[i].index() == b[i].index());
        if (const auto* pulse = std::get_if<Pulse>(&a[i])) {
            const Pulse& other = std::get<Pulse>(b[i]);
            CHECK(pulse->flip_deg == other.flip_deg);
            CHECK(pulse->phase_deg == other.phase_deg);
            CHECK(pulse->duration_us == other.duration_us);
        } else {
            CHECK(std::get<Delay>(a[i]).duration_us == std::get<Delay>(b[i]).duration_us);
        }
    }
}

std::string error_of(const std::string& text) {
    return message_of<InputError>([&] { parse_sequence(text); });
}

/// Uncoupled spins under the sequence, dephasing at 1/T2 = 10^4/s.
Experiment uncoupled(const std::string& text, LineShape shape) {
    Experiment e;
    set_sequence(e, text);
    e.line.shape = shape;
    e.relaxation.gamma3_per_s = 2e4;
    e.accuracy.tolerance = 1e-10;
    return e;
}

/// Mean of exp(-2 pi i delta t) over the line at the times [us] that are asked for in a first
/// round, for the price of one quadrature.
struct Characteristic {
    std::vector<double> time_s;
    std::map<double, double> value;

    double operator()(double time_us) {
        const double t = time_us * kSecondsPerUs;
        if (!value.empty()) return value.at(t);
        time_s.push_back(t);
        return 0.0;
    }
};

/// Largest |M+ - expected(t, chi) exp(-t / T2)|, t [us].
template <typename Expected>
double largest_error(const Experiment& e, const Expected& expected) {
    const Signal signal = simulate(e);
    Characteristic chi;
    for (const double t : signal.time_us) expected(t, chi);
    const std::vector<double> values = line_characteristic(e.line, chi.time_s);
    for (std::size_t k = 0; k < values.size(); ++k) chi.value[chi.time_s[k]] = values[k];
    double largest = 0.0;
    for (std::size_t k = 0; k < signal.points(); ++k) {
        const double t = signal.time_us[k];
        const double decay = std::exp(-e.relaxation.transverse_rate() * t * kSecondsPerUs);
        largest = std::max(
            largest, std::abs(Complex(signal.mx[k], signal.my[k]) - expected(t, chi) * decay));
    }
    return largest;
}

/// Ten times the tolerance asked for.
constexpr double kMargin = 1e-9;
constexpr Complex kI{0.0, 1.0};

}  // namespace

TEST_CASE("free induction is the line's characteristic function", "[sequence]") {
    const Experiment e = uncoupled("fid 40; acquire 0 30us 121",
                                   GENERATE(LineShape::lorentzian, LineShape::gaussian));
    const double sine = std::sin(40.0 * kRadiansPerDegree);
    CHECK(largest_error(e, [&](double t, auto& chi) { return 0.5 * kI * sine * chi(t); }) <
          kMargin);
}

TEST_CASE("90 x, tau, 90 y refocuses half of uncoupled spins", "[sequence]") {
    const Experiment e = uncoupled("solid-echo 20us; acquire 0 60us 121",
                                   GENERATE(LineShape::lorentzian, LineShape::gaussian));
    // 90 y takes m+ to (m+ - conj m+) / 2 where mz = 0.
    CHECK(largest_error(e, [&](double t, auto& chi) {
              return t < 20.0 ? 0.5 * kI * chi(t) : 0.25 * kI * (chi(t) + chi(t - 40.0));
          }) < kMargin);
    // At 40 us, where chi(40 us) / 4 is 5e-4 at most.
    CHECK(std::abs(simulate(e).my[80] - 0.25 * std::exp(-0.4)) < 1e-3);
}

TEST_CASE("a CPMG train has whole echoes at 2 tau, 4 tau, ...", "[sequence]") {
    const Experiment e = uncoupled("cpmg 10us 6; acquire 0 125us 251",
                                   GENERATE(LineShape::lorentzian, LineShape::gaussian));
    // 180 y takes m+ to -conj m+: the first pulse's phase comes back with every echo.
    CHECK(largest_error(e, [&](double t, auto& chi) {
              const double echo = 20.0 * std::min(6.0, std::floor((t + 10.0) / 20.0));
              return 0.5 * kI * chi(t - echo);
          }) < kMargin);
    const Signal signal = simulate(e);
    for (int n = 1; n <= 6; ++n) {
        CHECK(signal.my[static_cast<std::size_t>(40 * n)] ==
              Approx(0.5 * std::exp(-1e4 * 20e-6 * n)).margin(kMargin));
    }
}

TEST_CASE("a stimulated echo has half of the polarisation, stored along z", "[sequence]") {
    Experiment e = uncoupled("stimulated-echo 8us 30us; acquire 38us 70us 129",
                             GENERATE(LineShape::lorentzian, LineShape::gaussian));
    e.relaxation = {};
    const double tau = 8.0, storage = 30.0;
    // The second pulse stores mz = -cos(w tau)/2 and leaves mx = sin(w tau)/2; the third turns mz
    // to i mz and keeps the real part of m+.
    const auto expected = [&](double t, auto& chi) {
        const double s = t - tau - storage;
        const Complex stored = -0.25 * kI * (chi(s + tau) + chi(s - tau));
        const Complex left = (chi(s - tau - storage) - chi(s + tau + storage) +
                              chi(s - tau + storage) - chi(s + tau - storage)) /
                             (8.0 * kI);
        return stored + left;
    };
    CHECK(largest_error(e, expected) < kMargin);
    // The echo, at s = tau: of the other terms the largest is chi(16 us) / 4 = 0.020, then come two
    // of chi(30 us) / 8 = 0.001 (Lorentzian; the Gaussian's are less).
    const Signal signal = simulate(e);
    CHECK(std::abs(signal.my[32] + 0.25) < 0.03);
    // T1 acts on what is stored alone.
    e.relaxation.gamma1_per_s = e.relaxation.gamma2_per_s = 5e3;
    const double t1 = std::exp(-1e4 * storage * kSecondsPerUs);
    const double t2 = std::exp(-1e4 * 0.5 * 2.0 * tau * kSecondsPerUs);
    CHECK(std::abs(simulate(e).my[32] + 0.25 * t1 * t2) < 0.03);
}

TEST_CASE("pulses and delays carry their units") {
    check_same(
        events_of("pulse 90 x; delay 100us; pulse 180deg y 5us; delay 0.25 ms;\n pulse -30 -x;"
                  " delay 40ns\n\n pulse 45 -y 0; pulse 1e1 -33.5; delay 2s; delay 3\u00b5s"),
        {Pulse{90.0, 0.0}, Delay{100.0}, Pulse{180.0, 90.0, 5.0}, Delay{250.0}, Pulse{-30.0, 180.0},
         Delay{0.04}, Pulse{45.0, 270.0}, Pulse{10.0, -33.5}, Delay{2e6}, Delay{3.0}});
}

TEST_CASE("trains repeat, also within each other") {
    const Pulse p{180.0, 90.0};
    check_same(events_of("pulse 90 x; repeat 2 (delay 1us; pulse 180 y)"),
               {Pulse{90.0, 0.0}, Delay{1.0}, p, Delay{1.0}, p});
    check_same(events_of("repeat 2 ( repeat 2(delay 1us); pulse 180 y; ); delay 5us"),
               {Delay{1.0}, Delay{1.0}, p, Delay{1.0}, Delay{1.0}, p, Delay{5.0}});
}

TEST_CASE("the sequences with a name") {
    const Pulse x{90.0, 0.0}, y{90.0, 90.0};
    check_same(events_of("fid"), {x});
    check_same(events_of("fid 30"), {Pulse{30.0, 0.0}});
    check_same(events_of("solid-echo 20us"), {x, Delay{20.0}, y});
    check_same(events_of("solid-echo 20us 45"), {Pulse{45.0, 0.0}, Delay{20.0}, Pulse{45.0, 90.0}});
    check_same(events_of("stimulated-echo 20us 1ms"), {x, Delay{20.0}, x, Delay{1000.0}, x});
    check_same(events_of("cpmg 10us 3 80"),
               {Pulse{80.0, 0.0}, Delay{10.0}, Pulse{160.0, 90.0}, Delay{20.0}, Pulse{160.0, 90.0},
                Delay{20.0}, Pulse{160.0, 90.0}});
    check_same(events_of("delay 5us; fid"), {Delay{5.0}, x});
    // Not alone: its events.
    check_same(events_of("hahn 10us; delay 1us"), {x, Delay{10.0}, Pulse{180.0, 90.0}, Delay{1.0}});
    check_same(events_of("repeat 2 (hahn 10us)"),
               {x, Delay{10.0}, Pulse{180.0, 90.0}, x, Delay{10.0}, Pulse{180.0, 90.0}});
}

TEST_CASE("a Hahn echo alone keeps its parameters") {
    const ParsedSequence parsed =
        parse_sequence("acquire 0 300us 601; hahn 100us 60 2.5 -x 12 4us 6us");
    const HahnEcho echo = std::get<HahnEcho>(parsed.sequence.program);
    CHECK(echo.tau_us == 100.0);
    CHECK(echo.flip_deg == 60.0);
    CHECK(echo.refocus_ratio == 2.5);
    CHECK(echo.flip_phase_deg == 180.0);
    CHECK(echo.refocus_phase_deg == 12.0);
    CHECK(echo.flip_duration_us == 4.0);
    CHECK(echo.refocus_duration_us == 6.0);
    REQUIRE(parsed.window);
    CHECK(parsed.window->start_us == 0.0);
    CHECK(parsed.window->stop_us == 300.0);
    CHECK(parsed.window->points == 601);

    const HahnEcho usual = std::get<HahnEcho>(parse_sequence("hahn 100us").sequence.program);
    CHECK((usual.flip_deg == 90.0 && usual.refocus_ratio == 2.0));
    CHECK((usual.flip_phase_deg == 0.0 && usual.refocus_phase_deg == 90.0));
    CHECK_FALSE(parse_sequence("hahn 100us").window);
}

TEST_CASE("a text sets sequence and window of an experiment") {
    Experiment e;
    e.acquisition.noise = 0.25;
    set_sequence(e, "fid 30");
    CHECK(e.acquisition.stop_us == Acquisition{}.stop_us);
    set_sequence(e, "acquire 5us 5us 1");
    CHECK(sequence_events(e.sequence).empty());
    CHECK((e.acquisition.start_us == 5.0 && e.acquisition.stop_us == 5.0));
    CHECK(e.acquisition.points == 1);
    CHECK(e.acquisition.noise == 0.25);
}

TEST_CASE("sequences written as text read back the same") {
    const std::string texts[] = {"pulse 90 x; delay 100us; pulse 180 y 5us",
                                 "hahn 100us 60",
                                 "hahn 0.1us 60 2.5",
                                 "hahn 100us 90 2 x 12.75",
                                 "delay 1e-07us",
                                 "hahn 100us 90 2 -y x 1us 0us",
                                 "pulse 0.1 -12; pulse 1 -x; pulse 2 -y",
                                 "pulse 30 x 1e-9us"};
    for (const std::string& text : texts) {
        INFO(text);
        const Sequence sequence = parse_sequence(text).sequence;
        const Sequence again = parse_sequence(sequence_to_text(sequence)).sequence;
        CHECK(again.program.index() == sequence.program.index());
        check_same(sequence_events(again), sequence_events(sequence));
        CHECK(sequence_to_text(again) == sequence_to_text(sequence));
    }
    // Times that no decimal of a few digits holds; a Hahn echo that differs in one field each.
    HahnEcho echo{1.0 / 3.0, 2.0 / 3.0, -90.0, 1e-7, 314.0 / 3.14159, 0.0, 1.0 / 7.0};
    const HahnEcho back =
        std::get<HahnEcho>(parse_sequence(sequence_to_text({echo})).sequence.program);
    CHECK((back.flip_deg == echo.flip_deg && back.refocus_ratio == echo.refocus_ratio));
    CHECK((back.flip_phase_deg == -90.0 && back.refocus_phase_deg == echo.refocus_phase_deg));
    CHECK((back.tau_us == echo.tau_us && back.refocus_duration_us == echo.refocus_duration_us));
    CHECK(std::get<HahnEcho>(parse_sequence(sequence_to_text({HahnEcho{}})).sequence.program)
              .refocus_phase_deg == 0.0);

    CHECK(sequence_to_text({echo, 0.5}) ==
          sequence_to_text(
              {HahnEcho{1.0 / 6.0, 2.0 / 3.0, -90.0, 1e-7, 314.0 / 3.14159, 0.0, 1.0 / 7.0}}));
    CHECK(sequence_to_text({std::vector<Event>{Pulse{90.0, 0.0}}, 0.5}) == "pulse 45 x");

    Acquisition acquisition;
    acquisition.start_us = 1.0 / 3.0;
    acquisition.stop_us = 70.1;
    acquisition.points = 71;
    const std::string text = sequence_to_text(parse_sequence("fid").sequence, acquisition);
    CHECK(text == "pulse 90 x; acquire 0.3333333333333333us 70.1us 71");
    const ParsedSequence parsed = parse_sequence(text);
    CHECK(parsed.window->start_us == 1.0 / 3.0);
    CHECK(parsed.window->points == 71);
    CHECK(sequence_to_text({std::vector<Event>{}}, acquisition).starts_with("acquire"));
}

TEST_CASE("texts that cannot be used are named by item") {
    CHECK(error_of("") ==
          "sequence: expected items such as \"pulse 90 x; delay 50us; pulse 180 y\", found \"\"");
    CHECK(error_of(" ;; ").starts_with("sequence: expected items"));
    CHECK(
        error_of("puls 90 x") ==
        "sequence item 1 \"puls 90 x\": expected one of pulse, delay, repeat, acquire, fid, hahn, "
        "cpmg, let, solid-echo, stimulated-echo, found puls; did you mean pulse?");
    CHECK(error_of("fid; wait 3us").find("found wait") != std::string::npos);
    CHECK(error_of("pulse 90 x; delay 100") ==
          "sequence item 2 \"delay 100\": expected a time >= 0 with its unit (ns, us, ms or s) as "
          "TIME, found 100");
    CHECK(error_of("delay -1us") ==
          "sequence item 1 \"delay -1us\": expected a time >= 0 with its unit (ns, us, ms or s) as "
          "TIME, found -1us");
    CHECK(error_of("delay 5min").ends_with("as TIME, found 5min"));
    CHECK(error_of("delay 1e308s").ends_with("as TIME, found 1e308s"));
    CHECK(error_of("delay nan").ends_with("as TIME, found nan"));
    CHECK(error_of("delay").ends_with("as TIME, found its end"));
    CHECK(error_of("pulse x 90") ==
          "sequence item 1 \"pulse x 90\": expected an angle in degrees as FLIP, such as 90 or "
          "90deg, found x");
    CHECK(error_of("pulse 1.57rad x").ends_with("found 1.57rad"));
    CHECK(error_of("pulse 90") ==
          "sequence item 1 \"pulse 90\": expected x, y, -x, -y or an angle in degrees as PHASE, "
          "found its end");
    CHECK(error_of("pulse 90 z").ends_with("as PHASE, found z"));
    CHECK(error_of("pulse 90 x 5").ends_with("as DURATION, found 5"));
    CHECK(error_of("pulse 90 x 5us 3") ==
          "sequence item 1 \"pulse 90 x 5us 3\": expected ; or the end after 5us, found 3");
    CHECK(
        error_of("delay 5us pulse 90 x").ends_with("expected ; or the end after 5us, found pulse"));
    CHECK(error_of("repeat (delay 1us)") ==
          "sequence item 1 \"repeat\": expected a whole number >= 1 as COUNT, found its end");
    CHECK(error_of("repeat 0 (delay 1us)").ends_with("as COUNT, found 0"));
    CHECK(error_of("repeat 2.5 (delay 1us)").ends_with("as COUNT, found 2.5"));
    CHECK(error_of("repeat 2 delay 1us").ends_with("expected ; or the end after 2, found delay"));
    CHECK(error_of("repeat 2; delay 1us") ==
          "sequence item 1 \"repeat 2\": expected ( items ) after COUNT");
    CHECK(error_of("repeat 2 (delay 1us") ==
          "sequence item 1 \"repeat 2\": expected a ) that closes its (, found the end");
    CHECK(error_of("repeat 2 ()") ==
          "sequence item 1 \"repeat 2\": expected a pulse or a delay between ( and )");
    CHECK(error_of("repeat 2 (delay 1us) pulse 90 x") ==
          "sequence item 3 \"pulse 90 x\": expected ; before it");
    CHECK(error_of("delay 1us)") == "sequence: found a ) without its (");
    CHECK(error_of("delay 1us (delay 2us)").ends_with("expected ; or the end after it, found ("));
    CHECK(error_of("delay 1us; (delay 2us)") ==
          "sequence: found a ( after item 1, expected it after repeat COUNT");
    CHECK(error_of("repeat 100000 (pulse 90 x; delay 1us)") ==
          "sequence item 1 \"repeat 100000\": expected at most 100000 events in all");
    CHECK(error_of("repeat 90000 (repeat 90000 (delay 1us))").ends_with("events in all"));
    CHECK(error_of("cpmg 1us 2000000000").ends_with("events in all"));
    std::string deep;
    for (int i = 0; i < 100000; ++i) deep += "repeat 1 (";
    CHECK(error_of(deep).ends_with("expected at most 32 ( within ("));
    CHECK(
        error_of("repeat 2 (acquire 0 1us 3; delay 1us)") ==
        "sequence item 2 \"acquire 0 1us 3\": expected it outside of repeat: its times count from "
        "the start");
    CHECK(error_of("acquire 0 1us").ends_with("as POINTS, found its end"));
    CHECK(error_of("acquire 3us 3us 2") ==
          "sequence item 1 \"acquire 3us 3us 2\": expected STOP > START, or STOP = START and 1 "
          "point");
    CHECK(error_of("acquire 3us 4us 1").ends_with("and 1 point"));
    CHECK(error_of("hahn").ends_with("as TAU, found its end"));
    CHECK(error_of("hahn 0us").ends_with("sequence.tau_us must be finite and > 0, got 0"));
    CHECK(error_of("hahn 10us 90 2x").ends_with("expected a number as RATIO, found 2x"));
    CHECK(error_of("hahn 10us 90 2 x").ends_with("as the second PHASE, found its end"));
    CHECK(error_of("hahn 10us 90 2 x y 1us").ends_with("as the second DURATION, found its end"));
    CHECK(
        error_of("hahn 10us 90 2 x y 1us 20us")
            .ends_with("sequence.tau_us must be >= half of both pulses' durations = 10.5, got 10"));
    CHECK(error_of("solid-echo").ends_with("as TAU, found its end"));
    CHECK(error_of("stimulated-echo 1us").ends_with("as T, found its end"));
    CHECK(error_of("cpmg 1us").ends_with("as COUNT, found its end"));
}
