#include "nmrsim/dataset_file.h"

#include <fcntl.h>
#include <hdf5.h>
#include <sys/file.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "catch_compat.h"
#include "nmrsim/errors.h"
#include "temporary_folder.h"

// HDF5's macros hold casts of C.
#pragma GCC diagnostic ignored "-Wold-style-cast"

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

std::string bytes_of(const std::vector<float>& numbers) {
    return {reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof(float)};
}

// ---- changes that HDF5 itself makes to a file, so that its checksums are right -----------------

/// Puts a set of this shape, without numbers, in the place of another.
void replace_set(hid_t file, const char* name, const std::vector<hsize_t>& shape) {
    H5Ldelete(file, name, H5P_DEFAULT);
    const hid_t space = H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr);
    const hid_t set =
        H5Dcreate2(file, name, H5T_IEEE_F32LE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    REQUIRE(set >= 0);
    H5Dclose(set);
    H5Sclose(space);
}

/// Gives an attribute other values. Args: object: a path in the file.
void write_attribute(hid_t file, const char* object, const char* name, const void* values) {
    const hid_t owner = H5Oopen(file, object, H5P_DEFAULT);
    const hid_t old = H5Aopen(owner, name, H5P_DEFAULT);
    const hid_t type = H5Aget_type(old), space = H5Aget_space(old);
    H5Aclose(old);
    H5Adelete(owner, name);
    const hid_t attribute = H5Acreate2(owner, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    REQUIRE(H5Awrite(attribute, type, values) >= 0);  // little-endian, as this machine
    H5Aclose(attribute);
    H5Sclose(space);
    H5Tclose(type);
    H5Oclose(owner);
}

void write_texts(hid_t file, const char* name, const std::vector<const char*>& values) {
    write_attribute(file, "parameters", name, values.data());
}

/// Error of a set's file that `change` has changed.
template <typename Change>
std::string error_after(const Change& change, const Dataset& set = example()) {
    const TemporaryFolder folder;
    const std::string path = folder / "set.h5";
    write_dataset(set, path);
    const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
    change(file);
    H5Fclose(file);
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
    CHECK(error_after([](hid_t file) {
              const int version = 3;
              write_attribute(file, "/", "format_version", &version);
          }) == "expected format_version 1 or 2, found 3");
}

TEST_CASE("choices that do not fit are named") {
    const Dataset set = example_with_choices();
    const auto error_with = [&](const char* choices) {
        return error_after([&](hid_t file) { write_texts(file, "choices", {"", choices}); }, set);
    };
    CHECK(
        error_with("gaussian,power-law,rkkk") ==
        "/parameters: prior.kernel must name some of gaussian, power-law, rkky, got \"rkkk\"; did "
        "you mean rkky?");
    CHECK(error_with("gaussian_power-law_rkky")
              .starts_with("/parameters: prior.kernel must name some of"));
    CHECK(error_after(
              [](hid_t file) { H5Adelete_by_name(file, "parameters", "choices", H5P_DEFAULT); },
              set) == "expected an attribute choices");
    CHECK(error_after(
              [](hid_t file) {
                  const double upper[] = {150.0, 2.0};
                  write_attribute(file, "parameters", "upper", upper);
              },
              set) == "/parameters: prior.kernel must have the range [0, 3], got [0, 2]");
}

TEST_CASE("a byte that changed in the numbers or a header is an error") {
    const TemporaryFolder folder;
    const std::string path = folder / "set.h5";
    const Dataset set = example();
    write_dataset(set, path);
    const std::string whole = folder.read("set.h5");
    const auto damaged = [&](std::size_t place, int bit) {
        std::string bytes = whole;
        bytes[place] = static_cast<char>(bytes[place] ^ (1 << bit));
        folder.write("set.h5", bytes);
        const std::string message = message_of<InputError>([&] { read_dataset(path); });
        INFO("byte " << place << ", bit " << bit << ": " << message);
        CHECK(message.starts_with(path + ": "));
        CHECK(message.find('\n') == std::string::npos);
        return message;
    };
    const std::size_t signal = whole.find(bytes_of(set.signal));
    REQUIRE(signal != whole.npos);
    for (std::size_t i = 0; i < set.signal.size() * sizeof(float); ++i) {
        CHECK(damaged(signal + i, static_cast<int>(i % 8)) ==
              path + ": /signal cannot be read: truncated or damaged");
    }
    const std::size_t parameters = whole.find(reinterpret_cast<const char*>(set.parameters.data()),
                                              0, set.parameters.size() * sizeof(double));
    REQUIRE(parameters != whole.npos);
    for (std::size_t i = 0; i < set.parameters.size() * sizeof(double); ++i) {
        CHECK(damaged(parameters + i, static_cast<int>(i % 8)) ==
              path + ": /parameters cannot be read: truncated or damaged");
    }
    // The prior's ends, the seed, names of sets and attributes.
    for (const double end : {150.0, 90.0, 10.0}) {
        const std::string bytes(reinterpret_cast<const char*>(&end), sizeof end);
        damaged(whole.find(bytes) + 6, 1);
    }
    for (const char* name : {"signal", "format_version", "first_index", "lower"}) {
        damaged(whole.find(name), 0);
    }
}

TEST_CASE("a set is in chunks that have checksums, and its file the same whenever it is written") {
    const TemporaryFolder folder;
    Dataset set = example();
    set.signal.clear();
    set.parameters.clear();
    set.experiment_toml.clear();
    const std::size_t curves = 40000;  // more than a chunk
    for (std::size_t i = 0; i < curves * 10; ++i) set.signal.push_back(static_cast<float>(i));
    for (std::size_t i = 0; i < curves * 2; ++i) set.parameters.push_back(static_cast<double>(i));
    write_dataset(set, folder / "a.h5");
    const hid_t file = H5Fopen((folder / "a.h5").c_str(), H5F_ACC_RDONLY, H5P_DEFAULT);
    for (const char* name : {"signal", "parameters", "time"}) {
        const hid_t opened = H5Dopen2(file, name, H5P_DEFAULT);
        const hid_t creation = H5Dget_create_plist(opened);
        CHECK(H5Pget_layout(creation) == H5D_CHUNKED);
        CHECK(H5Zfilter_avail(H5Z_FILTER_FLETCHER32) > 0);
        unsigned flags = 0;
        std::size_t values = 0;
        CHECK(H5Pget_filter_by_id2(creation, H5Z_FILTER_FLETCHER32, &flags, &values, nullptr, 0,
                                   nullptr, nullptr) >= 0);
        H5Pclose(creation);
        H5Dclose(opened);
    }
    H5Fclose(file);
    // Little is lost to chunks that are not full, and to their index.
    CHECK(std::filesystem::file_size(folder / "a.h5") < 1.02 * curves * (10 * 4 + 2 * 8) + 20000);
    check_same(read_dataset(folder / "a.h5"), set);
    const auto second = std::filesystem::last_write_time(folder / "a.h5") + std::chrono::seconds(1);
    while (std::filesystem::file_time_type::clock::now() < second) ::usleep(20000);
    write_dataset(set, folder / "b.h5");
    CHECK(folder.read("a.h5") == folder.read("b.h5"));
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
    const auto error_with_signal = [](const std::vector<hsize_t>& shape) {
        return error_after([&](hid_t file) { replace_set(file, "signal", shape); });
    };
    CHECK(error_with_signal({3, 2, 4}) == "/signal: expected shape (n, 2, 5), found (3, 2, 4)");
    CHECK(error_with_signal({3, 1, 5}) == "/signal: expected shape (n, 2, 5), found (3, 1, 5)");
    CHECK(error_with_signal({4, 2, 5}) == "/parameters: expected shape (4, k), found (3, 2)");
    CHECK(error_after([](hid_t file) {
              std::vector<float> signal = example().signal;
              signal[5] = std::numeric_limits<float>::quiet_NaN();
              const hid_t set = H5Dopen2(file, "signal", H5P_DEFAULT);
              H5Dwrite(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, signal.data());
              H5Dclose(set);
          }) == "/signal: expected finite numbers, found nan at row 0");
    CHECK(error_after([](hid_t file) {
              write_texts(file, "names", {"alpha_q_khz", "flip_deg"});
          }) == "/parameters: unknown parameter alpha_q_khz; did you mean alpha_x_khz?");
    CHECK(error_after([](hid_t file) {
              write_texts(file, "units", {"kHz", "radian"});
          }) == "/parameters: expected flip_deg in \"degree\", found \"radian\"");
    CHECK_THAT(error_after([](hid_t file) {
                   const double upper[] = {0.0, 90.0};
                   write_attribute(file, "parameters", "upper", upper);
               }),
               ContainsSubstring("prior.alpha_x_khz must have low < high"));
    CHECK(error_after([](hid_t file) { H5Adelete(file, "format_version"); }) ==
          "expected an attribute format_version (a plain array is named as FILE.h5:/PATH)");
}

TEST_CASE("an extent that the file cannot hold is refused before memory is asked for") {
    Dataset unknown = example();
    unknown.parameters.clear();
    for (const hsize_t count : {hsize_t{1} << 40, hsize_t{1} << 58}) {
        CHECK(error_after(
                  [&](hid_t file) {
                      replace_set(file, "signal", {count, 2, 5});
                  },
                  unknown) ==
              "/signal: (" + std::to_string(count) + ", 2, 5) is more than the file holds");
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
