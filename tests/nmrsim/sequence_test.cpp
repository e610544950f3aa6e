#include "nmrsim/sequence.h"

#include <limits>
#include <stdexcept>

#include "catch_compat.h"

using namespace nmrsim;

TEST_CASE("a Hahn echo is pulse, delay, stronger pulse") {
    const Sequence sequence{HahnEcho{40.0, 2.5, 10.0, 90.0, 33.0}};
    const std::vector<Event> events = sequence_events(sequence);
    REQUIRE(events.size() == 3);
    CHECK(std::get<Pulse>(events[0]).flip_deg == 40.0);
    CHECK(std::get<Pulse>(events[0]).phase_deg == 10.0);
    CHECK(std::get<Delay>(events[1]).duration_us == 33.0);
    CHECK(std::get<Pulse>(events[2]).flip_deg == 100.0);
    CHECK(std::get<Pulse>(events[2]).phase_deg == 90.0);
}

TEST_CASE("finite pulses leave the distance of their centres") {
    HahnEcho echo{.tau_us = 20.0, .flip_duration_us = 4.0, .refocus_duration_us = 9.0};
    CHECK(has_finite_pulses({echo}));
    const std::vector<Event> events = sequence_events({echo});
    CHECK(std::get<Pulse>(events[0]).duration_us == 4.0);
    CHECK(std::get<Delay>(events[1]).duration_us == 13.5);
    CHECK(std::get<Pulse>(events[2]).duration_us == 9.0);
    echo.refocus_duration_us = 36.0;
    CHECK_NOTHROW(Sequence{echo}.validate());
    CHECK(std::get<Delay>(sequence_events({echo})[1]).duration_us == 0.0);
    echo.refocus_duration_us = 37.0;
    CHECK_THROWS_WITH(Sequence{echo}.validate(),
                      "sequence.tau_us must be >= half of both pulses' durations = 20.5, got 20");
    echo.refocus_duration_us = -1.0;
    CHECK_THROWS_WITH(Sequence{echo}.validate(),
                      "sequence.refocus_duration_us must be finite and >= 0, got -1");
    CHECK_THROWS_WITH((Sequence{std::vector<Event>{Pulse{90.0, 0.0, -2.0}}}.validate()),
                      "sequence.events[0].duration_us must be finite and >= 0, got -2");
}

TEST_CASE("pulse strength scales every flip angle") {
    const std::vector<Event> echo = sequence_events({HahnEcho{40.0, 2.0, 10.0, 90.0, 33.0}, 1.5});
    CHECK(std::get<Pulse>(echo[0]).flip_deg == 60.0);
    CHECK(std::get<Pulse>(echo[2]).flip_deg == 120.0);
    CHECK(std::get<Pulse>(echo[0]).phase_deg == 10.0);
    const std::vector<Event> train =
        sequence_events({std::vector<Event>{Pulse{90.0, 5.0}, Delay{3.0}, Pulse{180.0, 0.0}}, 0.5});
    CHECK(std::get<Pulse>(train[0]).flip_deg == 45.0);
    CHECK(std::get<Delay>(train[1]).duration_us == 3.0);
    CHECK(std::get<Pulse>(train[2]).flip_deg == 90.0);
    CHECK_THROWS_WITH((Sequence{HahnEcho{}, std::numeric_limits<double>::infinity()}.validate()),
                      "sequence.pulse_scale must be finite, got inf");
}

TEST_CASE("pulses are counted") {
    CHECK(pulse_count({HahnEcho{}}) == 2);
    const Sequence sequence{std::vector<Event>{Pulse{}, Delay{1.0}, Pulse{}, Pulse{}}};
    CHECK(pulse_count(sequence) == 3);
    CHECK_FALSE(has_finite_pulses(sequence));
    CHECK(has_finite_pulses({std::vector<Event>{Delay{1.0}, Pulse{90.0, 0.0, 1e-9}}}));
    CHECK(pulse_count({std::vector<Event>{}}) == 0);
}

TEST_CASE("a list of events is itself") {
    const Sequence sequence{std::vector<Event>{Delay{1.0}, Pulse{90.0, 45.0}}};
    const std::vector<Event> events = sequence_events(sequence);
    REQUIRE(events.size() == 2);
    CHECK(std::get<Delay>(events[0]).duration_us == 1.0);
    CHECK(std::get<Pulse>(events[1]).phase_deg == 45.0);
}

TEST_CASE("sequences are checked") {
    const double nan = std::numeric_limits<double>::quiet_NaN();
    HahnEcho echo;
    echo.tau_us = 0.0;
    CHECK_THROWS_WITH(Sequence{echo}.validate(),
                      ContainsSubstring("sequence.tau_us must be finite and > 0, got 0"));
    echo.tau_us = 50.0;
    CHECK_NOTHROW(Sequence{echo}.validate());
    echo.flip_deg = nan;
    CHECK_THROWS_AS(Sequence{echo}.validate(), std::invalid_argument);
    CHECK_THROWS_WITH((Sequence{std::vector<Event>{Pulse{}, Delay{-1.0}}}.validate()),
                      ContainsSubstring("sequence.events[1].delay_us must be finite and >= 0"));
    CHECK_THROWS_AS((Sequence{std::vector<Event>{Pulse{nan, 0.0}}}.validate()),
                    std::invalid_argument);
    CHECK_NOTHROW(Sequence{std::vector<Event>{}}.validate());
}
