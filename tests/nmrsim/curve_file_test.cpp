#include "nmrsim/curve_file.h"

#include <cmath>

#include "catch_compat.h"
#include "nmrsim/errors.h"
#include "temporary_folder.h"

using namespace nmrsim;

namespace {

Signal read_text(const std::string& text) {
    const TemporaryFolder folder;
    return read_curve(folder.write("echo.csv", text));
}

/// The message without the folder's name.
std::string error_of(const std::string& text) {
    const TemporaryFolder folder;
    const std::string path = folder.write("echo.csv", text);
    const std::string message = message_of<InputError>([&] { read_curve(path); });
    REQUIRE(message.starts_with(folder.path() + "/"));
    return message.substr(folder.path().size() + 1);
}

}  // namespace

TEST_CASE("a curve written as CSV reads back to 9 digits") {
    Signal signal;
    for (int i = 0; i < 50; ++i) {
        signal.time_us.push_back(131.78029288008935 + i / 6.283185307179586);
        signal.mx.push_back(0.5 * std::sin(0.3 * i));
        signal.my.push_back(-1e-7 / (i + 1));
        signal.mz.push_back(i - 25.0);
    }
    const std::string text = curve_to_csv(signal);
    CHECK(text.starts_with("time_us,mx,my,mz\n131.780293,0,-1e-07,-25\n"));
    const Signal back = read_text(text);
    REQUIRE(back.points() == 50);
    for (std::size_t i = 0; i < 50; ++i) {
        // 9 significant digits: half a unit of the ninth.
        CHECK(back.time_us[i] == Approx(signal.time_us[i]).epsilon(5e-9));
        CHECK(back.mx[i] == Approx(signal.mx[i]).epsilon(5e-9));
        CHECK(back.my[i] == Approx(signal.my[i]).epsilon(5e-9));
        CHECK(back.mz[i] == signal.mz[i]);
    }
}

TEST_CASE("columns go by their names") {
    const Signal signal = read_text("my,note,mx,time_us\n2,7,1,0\n4,7,3,1\n");
    CHECK(signal.time_us == std::vector<double>{0, 1});
    CHECK(signal.mx == std::vector<double>{1, 3});
    CHECK(signal.my == std::vector<double>{2, 4});
    CHECK(signal.mz == std::vector<double>{0, 0});
}

TEST_CASE("columns go by position without a header") {
    CHECK(read_text("0,1,2\n1,3,4\n").my == std::vector<double>{2, 4});
    CHECK(read_text("0,1,2,3\n1,3,4,5\n").mz == std::vector<double>{3, 5});
}

TEST_CASE("line ends, comments, blanks and signs of other programs are let pass") {
    const Signal signal = read_text(
        "\xEF\xBB\xBF# a comment\r\n\r\n time_us , mx , my\r\n0, +1, -2e0\r\n# "
        "more\r\n1e0,.5,0\r\n");
    CHECK(signal.time_us == std::vector<double>{0, 1});
    CHECK(signal.mx == std::vector<double>{1, 0.5});
    CHECK(signal.my == std::vector<double>{-2, 0});
    CHECK(read_text("0,1,2").points() == 1);  // no line end at all
    CHECK(read_text("0,1e-999,2").mx[0] == 0.0);
}

TEST_CASE("curves that cannot be used are named by line") {
    CHECK(error_of("time_us,mx,my\n0,1,2\n1,2\n") == "echo.csv:3: expected 3 numbers, found 2");
    CHECK(error_of("time_us,mx,my\n0,1,2\n1,2,3,4\n") == "echo.csv:3: expected 3 numbers, found 4");
    CHECK(error_of("0,1,2\n1,2,x\n") == "echo.csv:2: my: expected a number, found \"x\"");
    CHECK(error_of("0,1,2\n1,2,\n") == "echo.csv:2: my: expected a number, found \"\"");
    CHECK(error_of("0,1,2\n1,nan,3\n") == "echo.csv:2: mx: expected a finite number, found nan");
    CHECK(error_of("0,1,2\n1,1e999,3\n") ==
          "echo.csv:2: mx: expected a finite number, found 1e999");
    CHECK(error_of("0,1,2\n0,1,2\n") == "echo.csv:2: time_us must ascend, got 0 after 0");
    CHECK(error_of("time_us,mx\n0,1\n") ==
          "echo.csv:1: expected a header with time_us,mx,my, found no my");
    CHECK(error_of("time_us,mx,my,mx\n0,1,2,3\n") == "echo.csv:1: column mx is named twice");
    CHECK(error_of("0 1 2\n") ==
          "echo.csv:1: expected a header with time_us,mx,my, found no time_us");
    CHECK(error_of("0,1\n") ==
          "echo.csv:1: expected 3 or 4 numbers (time_us,mx,my and mz), found 2");
    CHECK(error_of("") == "echo.csv: expected lines of time_us,mx,my and mz, found none");
    CHECK(error_of("time_us,mx,my\n") ==
          "echo.csv: expected lines of time_us,mx,my and mz, found none");
}

TEST_CASE("missing files and folders are named") {
    const TemporaryFolder folder;
    CHECK(message_of<InputError>([&] { read_curve(folder / "no.csv"); }) ==
          folder / "no.csv" + ": no such file");
    CHECK(message_of<InputError>([&] { read_curve(folder.path()); }) ==
          folder.path() + ": expected a text file, found a folder");
}
