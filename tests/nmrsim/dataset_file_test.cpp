#include "nmrsim/dataset_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "catch_compat.h"
#include "nmrsim/errors.h"
#include "temporary_folder.h"

using namespace nmrsim;

namespace {

Dataset example() {
    Dataset set;
    set.unknowns = {{"alpha_x_khz", 0.0, 150.0}, {"flip_deg", 10.0, 90.0}};
    set.time_us = {131.78029288008935, 131.9394478230966, 132.1, 140.0, 267.8577692236599};
    for (int i = 0; i < 3 * 2; ++i) set.parameters.push_back(10.0 + i / 7.0);
    for (int i = 0; i < 3 * 2 * 5; ++i) set.signal.push_back(static_cast<float>(std::sin(i) / 3.0));
    set.experiment_toml = "name = \"caf\xC3\xA9\"\n" + std::string(100000, '#');  // a long one
    set.seed = std::numeric_limits<std::uint64_t>::max();
    set.first_index = 1234567890123456789u;
    set.version = "0.1.0";
    return set;
}

void check_same(const Dataset& a, const Dataset& b) {
    REQUIRE(a.unknowns.size() == b.unknowns.size());
    for (std::size_t k = 0; k < a.unknowns.size(); ++k) {
        CHECK(a.unknowns[k].name == b.unknowns[k].name);
        CHECK(a.unknowns[k].low == b.unknowns[k].low);
        CHECK(a.unknowns[k].high == b.unknowns[k].high);
        CHECK(a.unknowns[k].choices == b.unknowns[k].choices);
    }
    CHECK(a.parameters == b.parameters);
    CHECK(a.signal == b.signal);
    CHECK(a.experiment_toml == b.experiment_toml);
    CHECK(a.seed == b.seed);
    CHECK(a.first_index == b.first_index);
    CHECK(a.version == b.version);
    REQUIRE(a.points() == b.points());
    for (std::size_t i = 0; i < a.points(); ++i) {
        // Seconds in the file: a product and a quotient, each rounded once.
        CHECK(a.time_us[i] == Approx(b.time_us[i]).epsilon(3e-16));
    }
}

/// With a kernel among the unknowns.
Dataset example_with_choices() {
    Dataset set = example();
    set.unknowns[1] = categorical_unknown("kernel", {"gaussian", "power-law", "rkky"});
    for (std::size_t i = 0; i < 3; ++i) set.parameters[2 * i + 1] = choice_value(i);
    return set;
}

template <typename Number>
std::string bytes_of(std::initializer_list<Number> numbers) {
    return {reinterpret_cast<const char*>(numbers.begin()), numbers.size() * sizeof(Number)};
}

/// Error of a set's file with the only occurrence of `from` replaced by `to`. Small HDF5
/// files of this library's format hold plain numbers without checksums.
std::string error_after(const std::string& from, const std::string& to,
                        const Dataset& set = example()) {
    const TemporaryFolder folder;
    const std::string path = folder / "set.h5";
    write_dataset(set, path);
    std::string bytes = folder.read("set.h5");
    const auto at = bytes.find(from);
    REQUIRE(at != std::string::npos);
    REQUIRE(from.size() == to.size());
    bytes.replace(at, from.size(), to);
    folder.write("set.h5", bytes);
    const std::string message = message_of<InputError>([&] { read_dataset(path); });
    REQUIRE(message.starts_with(path + ": "));
    return message.substr(path.size() + 2);
}

/// What `action` prints on standard error.
template <typename Action>
std::string printed_by(const Action& action) {
    const TemporaryFolder folder;
    const int file = open((folder / "stderr").c_str(), O_CREAT | O_WRONLY, 0600);
    const int saved = dup(2);
    dup2(file, 2);
    action();
    fflush(stderr);
    dup2(saved, 2);
    close(saved);
    close(file);
    return folder.read("stderr");
}

}  // namespace

TEST_CASE("a data set reads back as it was written") {
    const TemporaryFolder folder;
    const std::string path = folder / "set.h5";
    write_dataset(example(), path);
    check_same(read_dataset(path), example());
    // Over an old file.
    Dataset fewer = example();
    fewer.signal.resize(10);
    fewer.parameters.resize(2);
    write_dataset(fewer, path);
    check_same(read_dataset(path), fewer);
    CHECK(folder.entries() == 1);
}

TEST_CASE("sets without curves or without known parameters read back") {
    const TemporaryFolder folder;
    Dataset unknown = example();
    unknown.parameters.clear();
    write_dataset(unknown, folder / "unknown.h5");
    check_same(read_dataset(folder / "unknown.h5"), unknown);
    Dataset empty = unknown;
    empty.signal.clear();
    write_dataset(empty, folder / "empty.h5");
    check_same(read_dataset(folder / "empty.h5"), empty);
    empty.unknowns.clear();
    empty.experiment_toml.clear();
    write_dataset(empty, folder / "empty.h5");
    check_same(read_dataset(folder / "empty.h5"), empty);
}

TEST_CASE("choices of an unknown read back") {
    const TemporaryFolder folder;
    const std::string path = folder / "set.h5";
    write_dataset(example_with_choices(), path);
    check_same(read_dataset(path), example_with_choices());
    // Sets without choices are of version 1, and have nothing that an older program does not know.
    CHECK(folder.read("set.h5").find("choices") != std::string::npos);
    write_dataset(example(), path);
    CHECK(folder.read("set.h5").find("choices") == std::string::npos);
}

TEST_CASE("a version that is not known yet is refused") {
    const TemporaryFolder folder;
    const std::string path = folder / "set.h5";
    write_dataset(example_with_choices(), path);
    std::string bytes = folder.read("set.h5");
    // The attribute's number follows its name and the descriptions of its type and extent.
    const auto name = bytes.find("format_version");
    REQUIRE(name != std::string::npos);
    const auto number = bytes.rfind(bytes_of<std::int32_t>({2}), name + 72);
    REQUIRE((number != std::string::npos && number > name));
    bytes.replace(number, 4, bytes_of<std::int32_t>({3}));
    folder.write("set.h5", bytes);
    CHECK(message_of<InputError>([&] { read_dataset(path); }) ==
          path + ": expected format_version 1 or 2, found 3");
}

TEST_CASE("choices that do not fit are named") {
    const Dataset set = example_with_choices();
    CHECK(
        error_after("gaussian,power-law,rkky", "gaussian,power-law,rkkk", set) ==
        "/parameters: prior.kernel must name some of gaussian, power-law, rkky, got \"rkkk\"; did "
        "you mean rkky?");
    CHECK(error_after("gaussian,power-law,rkky", "gaussian_power-law_rkky", set)
              .starts_with("/parameters: prior.kernel must name some of"));
    CHECK(error_after("choices", "choicez", set) == "expected an attribute choices");
    CHECK(error_after(bytes_of<double>({150.0, 3.0}), bytes_of<double>({150.0, 2.0}), set) ==
          "/parameters: prior.kernel must have the range [0, 3], got [0, 2]");
}

TEST_CASE("a truncated file is an error, in one line and in silence") {
    const TemporaryFolder folder;
    const std::string path = folder / "set.h5";
    write_dataset(example(), path);
    const std::string whole = folder.read("set.h5");
    const std::string printed = printed_by([&] {
        for (std::size_t i = 0; i < 40; ++i) {
            const std::size_t length = whole.size() * i / 40;
            folder.write("set.h5", whole.substr(0, length));
            const std::string message = message_of<InputError>([&] { read_dataset(path); });
            INFO(length << " of " << whole.size() << ": " << message);
            CHECK(message.starts_with(path + ": "));
            CHECK(message.find('\n') == std::string::npos);
        }
        folder.write("set.h5", whole.substr(0, whole.size() - 1));
        CHECK_THROWS_AS(read_dataset(path), InputError);
    });
    CHECK(printed == "");
}

TEST_CASE("files that are no data sets are named") {
    const TemporaryFolder folder;
    CHECK(message_of<InputError>([&] { read_dataset(folder / "no.h5"); }) ==
          folder / "no.h5" + ": no such file");
    CHECK(message_of<InputError>([&] { read_dataset(folder.path()); }) ==
          folder.path() + ": expected HDF5, found a folder");
    CHECK(message_of<InputError>([&] { read_dataset(folder.write("t.h5", "time_us,mx\n")); }) ==
          folder / "t.h5" + ": expected an HDF5 file, found something else");
}

TEST_CASE("shapes, types and values that do not fit are named") {
    using U64 = std::uint64_t;
    const auto signal_shape = bytes_of<U64>({3, 2, 5});
    CHECK(error_after(signal_shape, bytes_of<U64>({3, 2, 4})) ==
          "/signal: expected shape (n, 2, 5), found (3, 2, 4)");
    CHECK(error_after(signal_shape, bytes_of<U64>({3, 1, 5})) ==
          "/signal: expected shape (n, 2, 5), found (3, 1, 5)");
    CHECK(error_after(signal_shape, bytes_of<U64>({4, 2, 5})) ==
          "/parameters: expected shape (4, k), found (3, 2)");
    // More than a machine's memory, and more than 64 bits.
    const Dataset set = example();
    const float first[] = {set.signal[5], set.signal[6]};
    const std::string two_floats(reinterpret_cast<const char*>(first), sizeof first);
    const float nan = std::numeric_limits<float>::quiet_NaN();
    CHECK_THAT(error_after(two_floats, bytes_of<float>({nan, 0.0f})),
               ContainsSubstring("/signal: expected finite numbers, found nan at row 0"));
    CHECK(error_after("alpha_x_khz", "alpha_q_khz") ==
          "/parameters: unknown parameter alpha_q_khz; did you mean alpha_x_khz?");
    CHECK(error_after("degree", "radian") ==
          "/parameters: expected flip_deg in \"degree\", found \"radian\"");
    CHECK_THAT(error_after(bytes_of<double>({150.0, 90.0}), bytes_of<double>({0.0, 90.0})),
               ContainsSubstring("prior.alpha_x_khz must have low < high"));
    CHECK(error_after("format_version", "format_versioN") ==
          "expected an attribute format_version (a plain array is named as FILE.h5:/PATH)");
}

TEST_CASE("an extent that the file cannot hold is refused before memory is asked for") {
    // Both extents agree on the number of curves, so only the file's size tells.
    const TemporaryFolder folder;
    const std::string path = folder / "set.h5";
    write_dataset(example(), path);
    std::string bytes = folder.read("set.h5");
    using U64 = std::uint64_t;
    for (const U64 count : {U64{1} << 40, U64{1} << 62}) {
        std::string changed = bytes;
        const auto signal = changed.find(bytes_of<U64>({3, 2, 5}));
        REQUIRE(signal != std::string::npos);
        changed.replace(signal, 24, bytes_of<U64>({count, 2, 5}));
        const auto parameters = changed.find(bytes_of<U64>({3, 2}));
        REQUIRE(parameters != std::string::npos);
        changed.replace(parameters, 16, bytes_of<U64>({count, 2}));
        folder.write("set.h5", changed);
        CHECK_THROWS_AS(read_dataset(path), InputError);
    }
}

TEST_CASE("a set whose numbers do not fit together is not written") {
    const TemporaryFolder folder;
    Dataset set = example();
    set.parameters.pop_back();
    CHECK_THROWS_AS(write_dataset(set, folder / "set.h5"), std::invalid_argument);
    set = example();
    set.signal.pop_back();
    CHECK_THROWS_AS(write_dataset(set, folder / "set.h5"), std::invalid_argument);
    CHECK(message_of<std::runtime_error>([&] { write_dataset(example(), folder / "no/set.h5"); }) ==
          folder / "no/set.h5" + ": cannot be written: No such file or directory");
    CHECK(folder.entries() == 0);
}

TEST_CASE("a file that another has open for writing is called so, not damaged") {
    const TemporaryFolder folder;
    const std::string path = folder / "set.h5";
    write_dataset(example(), path);
    const int file = ::open(path.c_str(), O_RDWR);
    REQUIRE(file >= 0);
    REQUIRE(::flock(file, LOCK_EX) == 0);
    const std::string message = message_of<InputError>([&] { read_dataset(path); });
    ::close(file);
    CHECK_THAT(message, ContainsSubstring("locked: another program has it open"));
    CHECK_THAT(message, ContainsSubstring("HDF5_USE_FILE_LOCKING"));
    CHECK(read_dataset(path).count() == 3);
}
