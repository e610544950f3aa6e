/// Files as instruments and programs write them: see tests/field-files/README.md.

#include <fmt/format.h>

#include <cmath>
#include <complex>
#include <cstdio>
#include <string>

#include "catch_compat.h"
#include "nmrsim/dataset_file.h"
#include "nmrsim/errors.h"
#include "nmrsim/measured_curves.h"
#include "temporary_folder.h"

using namespace nmrsim;

namespace {

const std::string kFolder = NMRSIM_FIELD_FILES;

/// What a file holds, by its times and the first and last sample.
struct Expected {
    std::size_t points;
    double first_us, last_us;
    std::complex<float> first, last;
};

/// Of the echo of owner.toml; scopes count from the echo, at 100 us.
const Expected kOwner = {361, 60.0, 240.0, {-0.039733f, -0.075161f}, {-0.001867f, 0.002532f}};
const Expected kScope = {361, -40.0, 140.0, kOwner.first, kOwner.last};
/// Of the curve of challenge-2021 in readers/.
const Expected kReaders = {856,
                           131.780293,
                           267.857769,
                           {-0.00203898287f, -0.0015207346f},
                           {0.000935288274f, -0.00446311167f}};
/// Of the finer one.
const Expected kRounded = {
    2140, 120.031, 290.248, {2.512575e-02f, 2.388656e-03f}, {-1.367344e-02f, 3.141330e-03f}};

void check(const std::string& file, const Expected& expected, const CurveFormat& format = {},
           double digit_us = 1e-6, float digit = 1e-6f) {
    INFO(file);
    const MeasuredCurves curves = read_measured_curves(kFolder + "/" + file, format);
    REQUIRE(curves.points() == expected.points);
    REQUIRE(curves.count() == 1);
    const std::size_t n = curves.points();
    CHECK(std::abs(curves.time_us.front() - expected.first_us) <= digit_us);
    CHECK(std::abs(curves.time_us.back() - expected.last_us) <= digit_us);
    const auto sample = [&](std::size_t i) {
        return std::complex<float>(curves.signal[i], curves.signal[n + i]);
    };
    CHECK(std::abs(sample(0) - expected.first) <= digit);
    CHECK(std::abs(sample(n - 1) - expected.last) <= digit);
}

std::string said(const std::string& file) {
    return read_measured_curves(kFolder + "/" + file).axis;
}

std::string error_of(const std::string& file) {
    const std::string message =
        message_of<InputError>([&] { read_measured_curves(kFolder + "/" + file); });
    REQUIRE(message.starts_with(kFolder + "/" + file));
    return message.substr((kFolder + "/" + file).size());
}

}  // namespace

TEST_CASE("files of oscilloscopes and spectrometers are read without editing") {
    for (const char* file :
         {"scope-units-line.csv", "scope-start-increment.csv", "scope-metadata-block.csv",
          "scope-metadata-beside.csv", "x-is-the-time.csv"}) {
        check(file, kScope, {}, 1e-4);
    }
    check("old-mac-line-ends.txt", kOwner);
    check("decimal-comma.csv", kOwner);
}

TEST_CASE("what was decided without a name, or left out, is said") {
    CHECK(
        said("scope-units-line.csv") ==
        "times in second as the file says; columns taken as time, Re, Im by their order; the last "
        "line has no numbers and is left out");
    CHECK(said("scope-start-increment.csv") ==
          "times in s as the file says; times from Start and Increment, columns by their order");
    CHECK(
        said("scope-metadata-block.csv") ==
        "times in s as the file says; columns taken as Re, Im by their order; 12 lines before the "
        "table left out");
    CHECK(said("decimal-comma.csv") ==
          "times in us as the file says; the first column taken as the time");
    CHECK(said("readers/scope_meta.csv") ==
          "columns taken as Re, Im by their order; 4 lines before the table left out; without a "
          "unit, 1.59e-07 apart: taken as s");
}

TEST_CASE("records one after the other are curves of the same times") {
    const MeasuredCurves curves = read_measured_curves(kFolder + "/records-in-one-file.txt");
    REQUIRE(curves.count() == 4);
    REQUIRE(curves.points() == 64);
    CHECK(curves.time_us.front() == 0.0);
    CHECK(curves.time_us.back() == 126.0);
    CHECK(curves.signal[0] == 2992.1f);
    CHECK(curves.signal[64] == -5691.3f);
    CHECK(curves.signal[128] == 174.6f);
    CHECK(curves.signal[128 + 64] == -248.6f);
}

TEST_CASE("records that differ in length or times are refused") {
    const TemporaryFolder folder;
    const std::string one = "0 1 2\n1 1 2\n2 1 2\n3 1 2\n4 1 2\n";
    const auto error = [&](const std::string& more) {
        const std::string path = folder.write("a.txt", one + more);
        return message_of<InputError>([&] { read_measured_curves(path); }).substr(path.size());
    };
    CHECK(error("0 1 2\n1 1 2\n") == ": record 2 has 2 points, the first has 5");
    CHECK(error("0 1 2\n1 1 2\n3 1 2\n") == ":8: expected the times of the first record, 2, got 3");
}

TEST_CASE("a column that counts the points is not the time") {
    CHECK(error_of("point-number-for-time.txt") ==
          ":2: expected a column of times (time, with its unit as time_us), or a given spacing "
          "(--dwell), found Real, Imag, Starting");
    check("point-number-for-time.txt", kOwner, {.dwell = 0.5, .start = 60.0});
    const TemporaryFolder folder;
    const std::string path = folder.write("a.csv", "n,Re,Im\n0,1,2\n1,3,4\n2,5,6\n");
    CHECK(
        message_of<InputError>([&] { read_measured_curves(path); }).substr(path.size()) ==
        ":1: expected times, but the first column counts the points: give their spacing (--dwell) "
        "and say where Re and Im are (--columns)");
}

TEST_CASE("a magnitude and a phase are not taken for Re and Im") {
    const TemporaryFolder folder;
    for (const char* name : {"phase", "Phase (deg)", "phase_rad", "Arg"}) {
        const std::string path =
            folder.write("a.csv", fmt::format("time_us,magnitude,{}\n0,1,2\n1,3,4\n", name));
        const std::string said = message_of<InputError>([&] { read_measured_curves(path); });
        CHECK(
            said.substr(path.size()) ==
            fmt::format(":1: expected Re and Im, found {}: a magnitude and a phase must be turned "
                        "into them first",
                        name));
        CHECK(read_measured_curves(path, {.columns = parse_columns("time=1,re=2,im=3")}).points() ==
              2);
    }
}

TEST_CASE("curves in the forms that people keep them in") {
    for (const char* file :
         {"header_unit_usec.csv", "header_unit_msec.csv", "header_unit_second.csv",
          "header_unit_latin1_micro.csv", "savetxt_comment_unit_blank.txt",
          "quoted_header_with_comma.csv", "tab_decimal_comma_commented_header.txt",
          "tab_decimal_comma_no_header.txt", "complex_column.csv", "fortran_d.txt", "utf16.txt",
          "cr_only.csv", "scope_meta.csv", "scope_hash_meta.csv", "iq_names.csv"}) {
        check(std::string("readers/") + file, kReaders);
    }
}

TEST_CASE("times that were rounded when they were written are even again") {
    for (const char* file : {"times_rounded_to_1ns.csv", "times_in_seconds_g6.csv"}) {
        const std::string path = std::string("readers/") + file;
        check(path, kRounded, {}, 1e-3);
        const std::vector<double> t = read_measured_curves(kFolder + "/" + path).time_us;
        const double spacing = (t.back() - t.front()) / static_cast<double>(t.size() - 1);
        for (std::size_t i = 1; i < t.size(); ++i) {
            CHECK(std::abs(t[i] - t[i - 1] - spacing) < 1e-9);
        }
        CHECK(said(path).find("taken as even") != std::string::npos);
    }
    // Jitter beyond the last digit stays.
    const TemporaryFolder folder;
    const std::string path = folder.write("a.txt", "0.000 1 2\n1.000 1 2\n2.003 1 2\n3.000 1 2\n");
    CHECK(read_measured_curves(path).time_us == std::vector<double>{0.0, 1.0, 2.003, 3.0});
}

TEST_CASE("arrays of any type and byte order") {
    const CurveFormat spaced = {.dwell = 0.159154943, .start = 131.780293};
    check("readers/c16_big.npy", kReaders, spaced);
    check("readers/rows_xy.npy", kReaders, spaced);
    check("readers/ms.npz", kReaders);
    // An ADC's counts.
    Expected counts = kReaders;
    counts.first = {-122.0f, -91.0f};
    const MeasuredCurves last = read_measured_curves(kFolder + "/readers/int16.npy", spaced);
    counts.last = {last.signal[855], last.signal[2 * 855 + 1]};
    check("readers/int16.npy", counts, spaced);
    CHECK(std::round(counts.last.real()) == counts.last.real());
    check("readers/int16.h5:/echo", counts);
}

TEST_CASE("arrays in HDF5 as MATLAB and others write them") {
    check("readers/dims.h5:/echo", kReaders);
    check("readers/matlab_v73.mat:/echo", kReaders);
    CHECK(error_of("readers/matlab_v73.mat") ==
          ": this is an HDF5 file (MATLAB 7.3); name its array, as in " + kFolder +
              "/readers/matlab_v73.mat:/echo");
    const std::string newer = message_of<InputError>(
        [] { read_measured_curves(kFolder + "/readers/newer_hdf5.h5:/echo"); });
    CHECK(newer.find("/echo is damaged or was written by a newer HDF5 than 1.") !=
          std::string::npos);
    CHECK(newer.find("h5repack") != std::string::npos);
}

TEST_CASE("bounds of a data set may be whole numbers") {
    const Dataset data = read_dataset(kFolder + "/readers/integer_bounds.h5");
    CHECK(data.count() == 4);
}

TEST_CASE("binary files are called what they are") {
    const TemporaryFolder folder;
    const auto error = [&](const std::string& bytes) {
        const std::string path = folder.write("a.dat", bytes);
        return message_of<InputError>([&] { read_measured_curves(path); }).substr(path.size());
    };
    CHECK(error("\x93NUMPY\x01") ==
          ": this is NumPy's or a zip archive: its name must end in .npy or .npz");
    CHECK(error("MATLAB 5.0 MAT-file") ==
          ": this is an older MATLAB file: save it with -v7.3, or as text");
    CHECK(error(std::string("1 2 3\n\0\1\2", 9)) ==
          ": expected text, found binary numbers: write them as text or .npy");
}
