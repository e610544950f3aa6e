#include "nmrsim/curve_file.h"

#include <cmath>

#include "catch_compat.h"
#include "nmrsim/errors.h"
#include "temporary_folder.h"

using namespace nmrsim;

namespace {

Signal read_text(const std::string& text, const CurveFormat& format = {}) {
    const TemporaryFolder folder;
    return read_curve(folder.write("echo.csv", text), format);
}

/// The message without the folder's name.
std::string error_of(const std::string& text, const CurveFormat& format = {}) {
    const TemporaryFolder folder;
    const std::string path = folder.write("echo.csv", text);
    const std::string message = message_of<InputError>([&] { read_curve(path, format); });
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
    CHECK(error_of("0,1,2\n1,nan,3\n") == "echo.csv: expected finite numbers, sample 2 is none");
    CHECK(error_of("0,1,2\n1,1e999,3\n") ==
          "echo.csv:2: mx: expected a finite number, found 1e999");
    CHECK(error_of("0,1,2\n0,1,2\n") ==
          "echo.csv:2: time must ascend, got 0 after 0 (the first column is taken for the time: "
          "--columns says else)");
    CHECK(error_of("t,re,im\n0,1,2\n0,1,2\n") == "echo.csv:3: time must ascend, got 0 after 0");
    CHECK(error_of("time_us,mx\n0,1\n") ==
          "echo.csv:1: expected a column of Im (my, im, imag, imaginary or y): one channel is not "
          "enough, found time_us, mx");
    CHECK(error_of("time_us,mx,my,mx\n0,1,2,3\n") == "echo.csv:1: column mx is named twice");
    CHECK(error_of("mx,my\n0,1\n") ==
          "echo.csv:1: expected a column of times (time, with its unit as time_us), or a given "
          "spacing (--dwell), found mx, my");
    CHECK(error_of("0,1\n") ==
          "echo.csv:1: expected 3 or 4 numbers (time, Re, Im and Mz), found 2");
    CHECK(error_of("") == "echo.csv: expected lines of time, Re and Im, found none");
    CHECK(error_of("time_us,mx,my\n") == "echo.csv: expected lines of time, Re and Im, found none");
}

TEST_CASE("missing files and folders are named") {
    const TemporaryFolder folder;
    CHECK(message_of<InputError>([&] { read_curve(folder / "no.csv"); }) ==
          folder / "no.csv" + ": no such file");
    CHECK(message_of<InputError>([&] { read_curve(folder.path()); }) ==
          folder.path() + ": expected a text file, found a folder");
}

namespace {

const std::vector<double> kRe = {1, 3}, kIm = {2, 4};

CurveFormat with_unit(const std::string& unit) {
    return {.time_unit = unit};
}

CurveFormat with_columns(const std::string& columns) {
    return {.columns = parse_columns(columns)};
}

CurveFormat with_spacing(double dwell, double start) {
    return {.time_unit = "ms", .dwell = dwell, .start = start};
}

}  // namespace

TEST_CASE("tabs, semicolons and blanks separate as commas do") {
    for (const char* text :
         {"0\t1\t2\n1\t3\t4\n", "0;1;2\n1;3;4;\n", "  0 1   2\n 1 \t 3 4 \n",
          "% a comment\n0.0,1,2\n1.0,3,4\n", "\"t\";\"Re\";\"Im\"\n0,0;1;2\n1,0;3,0;4e0\n"}) {
        INFO(text);
        const Signal signal = read_text(text);
        CHECK(signal.time_us == std::vector<double>{0, 1});
        CHECK(signal.mx == kRe);
        CHECK(signal.my == kIm);
    }
}

TEST_CASE("headers of other programs, in any order and case") {
    for (const char* text :
         {"Im,Re,Time\n2,1,0\n4,3,1\n", "IMAG (V)\tReal (V)\tt (us)\n2\t1\t0\n4\t3\t1\n",
          "y;x;time [\xC2\xB5s]\n2;1;0\n4;3;1\n", "# run 7\n# t/us re im\n0 1 2\n1 3 4\n",
          "my_note,Re,Im,t\nfirst,1,2,0\nsecond,3,4,1\n"}) {
        INFO(text);
        const Signal signal = read_text(text);
        CHECK(signal.time_us == std::vector<double>{0, 1});
        CHECK(signal.mx == kRe);
        CHECK(signal.my == kIm);
    }
    // A comment that is no header changes nothing.
    CHECK(read_text("# three words here\n0 1 2\n1 3 4\n").mx == kRe);
}

TEST_CASE("units of the time") {
    CHECK(read_text("0,1,2\n1,3,4\n", with_unit("ms")).time_us == std::vector<double>{0, 1000});
    CHECK(read_text("t_s,re,im\n0,1,2\n1,3,4\n").time_us == std::vector<double>{0, 1e6});
    CHECK(read_text("time (ns),re,im\n0,1,2\n500,3,4\n").time_us == std::vector<double>{0, 0.5});
    CHECK(read_text("time (ns),re,im\n0,1,2\n500,3,4\n", with_unit("ns")).time_us[1] == 0.5);
    CHECK(error_of("time (ns),re,im\n0,1,2\n", with_unit("us")) ==
          "echo.csv:1: expected times in us as asked, found ns");
    CHECK(error_of("time (h),re,im\n0,1,2\n") ==
          "echo.csv:1: expected times in ns, us, ms or s, found \"h\"");
    CHECK_THROWS_AS(with_unit("min").validate(), std::invalid_argument);
}

TEST_CASE("columns chosen by number or name") {
    const char* text = "a,b,c,d\n9,2,1,0\n9,4,3,1\n";
    for (const char* columns : {"time=4,re=3,im=2", "time=d,re=c,im=b", "im=2,re=c,time=4"}) {
        const Signal signal = read_text(text, with_columns(columns));
        CHECK(signal.time_us == std::vector<double>{0, 1});
        CHECK(signal.mx == kRe);
        CHECK(signal.my == kIm);
    }
    CHECK(read_text("2,1,0\n4,3,1\n", with_columns("time=3,re=2,im=1")).my == kIm);
    CHECK(error_of(text, with_columns("time=5,re=3,im=2")) ==
          "echo.csv:1: expected a column 5, found 4");
    CHECK(error_of(text, with_columns("time=e,re=3,im=2")) ==
          "echo.csv:1: expected a column e, found a, b, c, d");
    CHECK(error_of("2,1,0\n", with_columns("time=t,re=2,im=1")) ==
          "echo.csv:1: expected a header that names t, found numbers");
    CHECK_THROWS_AS(parse_columns("time=1,re"), std::invalid_argument);
    CHECK_THROWS_AS(parse_columns("time=1,re=1"), std::invalid_argument);
    CHECK_THROWS_AS(parse_columns("when=1"), std::invalid_argument);
    CHECK_THROWS_AS(parse_columns("re="), std::invalid_argument);
}

TEST_CASE("a spacing stands for a column of times") {
    const std::vector<double> times = {2000, 2500};
    CHECK(read_text("1,2\n3,4\n", with_spacing(0.5, 2)).time_us == times);
    CHECK(read_text("re,im\n1,2\n3,4\n", with_spacing(0.5, 2)).my == kIm);
    CHECK(error_of("0,1,2\n", with_spacing(0.5, 2)) ==
          "echo.csv:1: expected 2 numbers (Re and Im, the spacing is given), found 3");
    CHECK(error_of("t,re,im\n0,1,2\n", with_spacing(0.5, 2)) ==
          "echo.csv:1: the spacing is given, but there is a column of times");
    CHECK_THROWS_AS(with_spacing(0.0, 2).validate(), std::invalid_argument);
    CHECK_THROWS_AS(with_spacing(-1.0, 2).validate(), std::invalid_argument);
}
