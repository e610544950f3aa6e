// A file takes no more memory than 4 times its own size, or 16 MiB where it is small: files that
// unpack to much more than they are, that claim sizes they do not have, and those that are whole
// but of the worst shape. What libhdf5 itself takes is not counted.
#include <hdf5.h>
#include <zlib.h>

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <limits>
#include <map>
#include <string>

#include "catch_compat.h"
#include "counted_memory.h"
#include "deflated.h"
#include "model/tensor_file.h"
#include "nmrsim/challenge_files.h"
#include "nmrsim/curve_file.h"
#include "nmrsim/dataset_file.h"
#include "nmrsim/errors.h"
#include "nmrsim/experiment_file.h"
#include "nmrsim/measured_curves.h"
#include "nmrsim/numeric_array.h"
#include "temporary_folder.h"

// HDF5's macros hold casts of C.
#pragma GCC diagnostic ignored "-Wold-style-cast"

using namespace nmrsim;

namespace {

constexpr long long kMega = 1 << 20;
/// As memory_allowance.h has it.
constexpr long long kSmall = 16 * kMega;
/// Streams, messages, tables of names [bytes].
constexpr long long kSlack = kMega;

enum class Answer { read, refused };

/// Whether `read` takes the file or refuses it, having checked what it took.
template <typename Read>
Answer answer_of(const std::string& path, const Read& read) {
    long long size = 0;
    if (std::filesystem::is_directory(path)) {
        for (const auto& entry : std::filesystem::directory_iterator(path)) {
            size += static_cast<long long>(entry.file_size());
        }
    } else {
        size = static_cast<long long>(std::filesystem::file_size(path));
    }
    Answer answer = Answer::read;
    const long long peak = counted_memory::peak([&] {
        try {
            read();
        } catch (const InputError& error) {
            answer = Answer::refused;
            INFO(error.what());
            CHECK(std::string(error.what()).size() < 2000);
        }
    });
    INFO(path << ": " << size << " bytes took " << peak);
    CHECK(peak <= std::max(kSmall, 4 * size) + kSlack);
    return answer;
}

std::string npy_header(const std::string& descr, bool fortran, const std::string& shape) {
    const std::string text = "{'descr': '" + descr +
                             "', 'fortran_order': " + (fortran ? "True" : "False") +
                             ", 'shape': (" + shape + "), }\n";
    std::string bytes("\x93NUMPY\x01\x00", 8);
    bytes += static_cast<char>(text.size() % 256);
    bytes += static_cast<char>(text.size() / 256);
    return bytes + text;
}

void put(std::string& bytes, std::uint64_t value, int width) {
    for (int i = 0; i < width; ++i) {
        bytes += static_cast<char>(i < 8 ? value >> (8 * i) & 0xff : 0);
    }
}

/// A zip archive of members that may claim another size than they have.
std::string zip(const std::map<std::string, std::string>& members, bool pack,
                std::uint64_t claimed = 0) {
    std::string bytes, directory;
    for (const auto& [name, contents] : members) {
        const std::string packed = pack ? deflated(contents) : contents;
        const std::uint64_t size = claimed ? claimed : contents.size();
        const auto checksum =
            crc32_z(0, reinterpret_cast<const unsigned char*>(contents.data()), contents.size());
        std::string common;
        put(common, 20, 2);
        put(common, 0, 2);
        put(common, pack ? 8 : 0, 2);
        put(common, 0, 4);
        put(common, checksum, 4);
        put(common, packed.size(), 4);
        put(common, size, 4);
        put(common, name.size(), 2);
        put(common, 0, 2);
        const std::uint64_t offset = bytes.size();
        bytes.append("PK\x03\x04").append(common).append(name).append(packed);
        directory.append("PK\x01\x02\x14\x00", 6).append(common);
        put(directory, 0, 10);
        put(directory, offset, 4);
        directory += name;
    }
    const std::uint64_t start = bytes.size();
    bytes.append(directory).append("PK\x05\x06");
    put(bytes, 0, 4);
    put(bytes, members.size(), 2);
    put(bytes, members.size(), 2);
    put(bytes, directory.size(), 4);
    put(bytes, start, 4);
    put(bytes, 0, 2);
    return bytes;
}

std::string reals(std::size_t bytes) {
    std::string numbers(bytes, '\0');
    for (std::size_t i = 0; i + 4 <= bytes; i += 4) {
        // Of no pattern, and finite.
        const auto value = static_cast<float>((i * 2654435761u) % 1000003) * 1e-6f;
        std::memcpy(numbers.data() + i, &value, sizeof value);
    }
    return numbers;
}

/// One set of zeros, deflated in chunks of this many rows of two, written or not.
void write_deflated(const std::string& path, hsize_t rows, hsize_t chunk, bool written) {
    const hid_t file = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    const hsize_t shape[] = {rows, 2}, chunks[] = {chunk, 2};
    const hid_t space = H5Screate_simple(2, shape, nullptr);
    const hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_chunk(creation, 2, chunks);
    H5Pset_deflate(creation, 9);
    const hid_t set =
        H5Dcreate2(file, "signal", H5T_IEEE_F64LE, space, H5P_DEFAULT, creation, H5P_DEFAULT);
    REQUIRE(set >= 0);
    if (written) {
        const std::vector<double> zeros(rows * 2);
        REQUIRE(H5Dwrite(set, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, zeros.data()) >= 0);
    }
    H5Dclose(set);
    H5Pclose(creation);
    H5Sclose(space);
    H5Fclose(file);
}

std::string with_header(const std::string& header, std::uint64_t claimed = 0) {
    std::string bytes;
    put(bytes, claimed ? claimed : header.size(), 8);
    return bytes + header;
}

CurveFormat spaced() {
    CurveFormat format;
    format.dwell = 0.5;
    return format;
}

}  // namespace

TEST_CASE("NumPy arrays take what their numbers take, and lies nothing") {
    const TemporaryFolder folder;
    const auto read = [&](const std::string& name, const std::string& bytes) {
        const std::string path = folder.write(name, bytes);
        return answer_of(path, [&] { read_measured_curves(path, spaced()); });
    };
    const std::size_t size = 12 * kMega;
    const std::string numbers = reals(size);
    for (const bool fortran : {false, true}) {
        const auto rows = std::to_string(size / 8);
        CHECK(read("a.npy", npy_header("<f4", fortran, rows + ", 2") + numbers) == Answer::read);
        CHECK(read("a.npy", npy_header("<c8", fortran, rows) + numbers) == Answer::read);
        CHECK(read("a.npy", npy_header("<c8", fortran, "2, " + std::to_string(size / 16)) +
                                numbers) == Answer::read);
    }
    for (const char* shape : {"1000000000000, 2", "4294967296, 4294967296", "2, 2, 99999999999"}) {
        CHECK(read("a.npy", npy_header("<f8", true, shape)) == Answer::refused);
    }
    std::string long_header("\x93NUMPY\x02\x00\xff\xff\xff\xff", 12);
    CHECK(read("a.npy", long_header) == Answer::refused);
}

TEST_CASE("NumPy archives do not unpack to more than a file of their size may hold") {
    const TemporaryFolder folder;
    const auto read = [&](const std::string& bytes) {
        const std::string path = folder.write("a.npz", bytes);
        return answer_of(path, [&] { read_measured_curves(path, spaced()); });
    };
    const std::size_t size = 48 * kMega;
    const std::string zeros =
        npy_header("<f8", false, std::to_string(size / 16) + ", 2") + std::string(size, '\0');
    CHECK(read(zip({{"signal.npy", zeros}}, true)) == Answer::refused);
    // A claim of less than there is, and of more.
    CHECK(read(zip({{"signal.npy", zeros}}, true, 1000)) == Answer::refused);
    CHECK(read(zip({{"signal.npy", zeros}}, true, 0xfffffff0)) == Answer::refused);
    CHECK(read(zip({{"signal.npy", zeros.substr(0, 1000)}}, false, 0xfffffff0)) == Answer::refused);
    // Little enough for anyone, however well it packs.
    const std::string few = npy_header("<f8", false, "100000, 2") + std::string(1600000, '\0');
    CHECK(read(zip({{"signal.npy", few}}, true)) == Answer::read);
    // As large as they are.
    const std::string part =
        npy_header("<f4", false, std::to_string(3 * kMega)) + reals(12 * kMega);
    const std::string both = zip({{"re.npy", part}, {"im.npy", part}}, false);
    const std::string path = folder.write("b.npz", both);
    CurveFormat parts = spaced();
    parts.columns = {{"re", "re"}, {"im", "im"}};
    CHECK(answer_of(path, [&] { read_measured_curves(path, parts); }) == Answer::read);
}

TEST_CASE("HDF5 sets do not unpack to more than a file of their size may hold") {
    const TemporaryFolder folder;
    const std::string path = folder / "a.h5";
    const auto read = [&] {
        return answer_of(path, [&] { read_measured_curves(path + ":/signal", spaced()); });
    };
    write_deflated(path, 3 * kMega, 1 << 14, true);  // 48 MiB of zeros
    CHECK(read() == Answer::refused);
    write_deflated(path, hsize_t{1} << 40, 1 << 14, false);
    CHECK(read() == Answer::refused);
    write_deflated(path, 1 << 27, 1 << 27, false);  // one chunk of 2 GiB
    CHECK(read() == Answer::refused);
    write_deflated(path, 100000, 1 << 14, true);
    CHECK(read() == Answer::read);
}

TEST_CASE("texts take what their numbers take") {
    const TemporaryFolder folder;
    const auto curve = [&](const std::string& text, const CurveFormat& format = {}) {
        const std::string path = folder.write("a.csv", text);
        return answer_of(path, [&] { read_measured_curves(path, format); });
    };
    std::string lines, shortest, ascending;
    while (lines.size() < 8 * kMega) lines += "0.123456 -0.123456\n";
    CHECK(curve(lines, spaced()) == Answer::read);
    while (shortest.size() < 8 * kMega) shortest += "0 0\n";
    CHECK(curve(shortest, spaced()) == Answer::refused);
    for (int i = 0; ascending.size() < 8 * kMega; ++i) ascending += std::to_string(i) + " 0 0\n";
    CHECK(curve(ascending) == Answer::read);
    CHECK(curve(std::string(8 * kMega, '\n')) == Answer::refused);
    CHECK(curve(std::string(8 * kMega, ',')) == Answer::refused);
    CHECK(curve(std::string("#").append(8 * kMega, ',').append("\n1,2,3\n")) == Answer::read);
    std::string blanks;
    while (blanks.size() < 8 * kMega) blanks += "1 ";
    CHECK(curve(blanks) == Answer::refused);
    CHECK(curve(std::string(8 * kMega, 'x')) == Answer::refused);
}

TEST_CASE("challenge folders take what their numbers take") {
    Experiment experiment = load_experiment("challenge-2021");
    experiment.acquisition.points = 1000;
    std::string line;
    for (int i = 0; i < 1000; ++i) line += i ? "\t0" : "0";
    line += '\n';
    std::string text, blanks;
    while (text.size() < 8 * kMega) text += line;
    while (blanks.size() < 8 * kMega) blanks += "0 ";
    const auto read = [&](const std::string& re, const std::string& im) {
        const TemporaryFolder folder;
        folder.write("echos_r.txt", re);
        folder.write("echos_i.txt", im);
        return answer_of(folder.path(), [&] { read_challenge(folder.path(), experiment); });
    };
    CHECK(read(text, text) == Answer::read);
    CHECK(read(text, line) == Answer::refused);
    CHECK(read(line, text) == Answer::refused);
    CHECK(read(blanks, blanks) == Answer::refused);
    CHECK(read(std::string(8 * kMega, '\n'), line) == Answer::refused);
}

TEST_CASE("experiments that ask for too much are refused") {
    const TemporaryFolder folder;
    const auto error = [&](const std::string& text) {
        const std::string path = folder.write("a.toml", text);
        std::string message;
        // A byte of TOML takes up to some 40 once parsed; larger files than 1 MiB are not parsed.
        CHECK(counted_memory::peak([&] {
                  message = message_of<InputError>([&] { load_experiment(path); });
              }) < 64 * kMega);
        return message;
    };
    CHECK_THAT(error("[acquisition]\npoints = 1000000000000\n"), ContainsSubstring("too large"));
    CHECK_THAT(error("[acquisition]\npoints = 1000000000\n"), ContainsSubstring("10000000"));
    CHECK_THAT(error("[lattice]\nnx = 1000000\nny = 1000000\n"), ContainsSubstring("67108864"));
    CHECK_THAT(error("[accuracy]\nnodes = 1000000000\n"), ContainsSubstring("1000000"));
    CHECK_THAT(error("[sequence]\nprogram = \"repeat 1000000000 (pulse 90 x)\"\n"),
               ContainsSubstring("at most"));
    CHECK_THAT(error("[line]\nshape = \"gaussian\"\nspins = 2147483647\n"),
               ContainsSubstring("spins"));
    CHECK_THAT(error(std::string(2 * kMega, '#')), ContainsSubstring("bytes"));
    CHECK(error(std::string("a=").append(kMega - 10, '[')) != "");
    std::string arrays = "a=[";
    while (arrays.size() < kMega - 10) arrays += "[],";
    CHECK(error(arrays + "]") != "");
    std::string keys;
    for (int i = 0; keys.size() < kMega - 20; ++i) keys += std::to_string(i) + "=1\n";
    CHECK(error(keys) != "");
}

TEST_CASE("headers of tensor files take no more than they may") {
    const TemporaryFolder folder;
    const auto read = [&](const std::string& bytes) {
        const std::string path = folder.write("a.safetensors", bytes);
        return answer_of(path, [&] { nmrinverse::read_tensor_file(path); });
    };
    CHECK(read(with_header("{}", std::uint64_t{1} << 60)) == Answer::refused);
    CHECK(read(with_header(std::string(2 * kMega, ' '))) == Answer::refused);
    const std::size_t longest = kMega;
    CHECK(read(with_header(std::string(longest, '['))) == Answer::refused);
    std::string numbers = "{\"a\":{\"shape\":[0", texts = "{\"__metadata__\":{\"\":\"\"",
                keys = "{";
    while (numbers.size() < longest - 10) numbers += ",0";
    while (texts.size() < longest - 20)
        texts.append(",\"").append(std::to_string(texts.size())).append("\":\"\"");
    while (keys.size() < longest - 200) {
        keys.append("\"").append(std::to_string(keys.size()));
        keys += "\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]},";
    }
    keys += "\"a\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}}";
    CHECK(read(with_header(numbers + "]}}")) == Answer::refused);
    CHECK(read(with_header(texts + "}}")) == Answer::refused);
    CHECK(read(with_header(keys)) == Answer::read);
    CHECK(read(with_header("{\"a\":{\"dtype\":\"F32\",\"shape\":[1099511627776,1099511627776],"
                           "\"data_offsets\":[0,0]}}")) == Answer::refused);
}
