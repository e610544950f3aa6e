#include "nmrsim/measured_curves.h"

#include <hdf5.h>
#include <zlib.h>

#include <Eigen/Core>
#include <algorithm>
#include <cstdint>
#include <cstring>

#include "catch_compat.h"
#include "counted_memory.h"
#include "deflated.h"
#include "nmrsim/errors.h"
#include "temporary_folder.h"

// HDF5's macros hold casts of C.
#pragma GCC diagnostic ignored "-Wold-style-cast"

using namespace nmrsim;

namespace {

std::string number_bytes(std::uint64_t value, std::size_t width) {
    std::string bytes;
    for (std::size_t i = 0; i < width; ++i) {
        bytes += i < sizeof value ? static_cast<char>(value >> 8 * i) : '\0';
    }
    return bytes;
}

template <typename Real>
std::string bytes_of(const std::vector<Real>& values) {
    std::string bytes(values.size() * sizeof(Real), '\0');
    std::memcpy(bytes.data(), values.data(), bytes.size());
    return bytes;
}

/// A .npy file as NumPy writes it: the header padded to 64 bytes.
std::string npy(const std::string& descr, const std::string& shape, const std::string& data,
                bool fortran = false, int version = 1) {
    std::string header = "{'descr': '" + descr +
                         "', 'fortran_order': " + (fortran ? "True" : "False") +
                         ", 'shape': " + shape + ", }";
    const std::size_t width = version == 1 ? 2 : 4;
    while ((8 + width + header.size() + 1) % 64) header += ' ';
    header += '\n';
    return std::string("\x93NUMPY", 6) + static_cast<char>(version) + '\0' +
           number_bytes(header.size(), width) + header + data;
}

struct Member {
    std::string name, data;
};

std::string zip(const std::vector<Member>& members, bool pack) {
    std::string file, directory;
    for (const Member& member : members) {
        const std::string packed = pack ? deflated(member.data) : member.data;
        const uLong checksum = crc32(0, reinterpret_cast<const unsigned char*>(member.data.data()),
                                     static_cast<unsigned>(member.data.size()));
        const std::string common = number_bytes(20, 2) + number_bytes(0, 2) +
                                   number_bytes(pack ? 8 : 0, 2) + number_bytes(0, 4) +
                                   number_bytes(checksum, 4) + number_bytes(packed.size(), 4) +
                                   number_bytes(member.data.size(), 4) +
                                   number_bytes(member.name.size(), 2) + number_bytes(0, 2);
        directory += "PK\x01\x02" + number_bytes(20, 2) + common + number_bytes(0, 10) +
                     number_bytes(file.size(), 4) + member.name;
        file += "PK\x03\x04" + common + member.name + packed;
    }
    return file + directory + "PK\x05\x06" + number_bytes(0, 4) + number_bytes(members.size(), 2) +
           number_bytes(members.size(), 2) + number_bytes(directory.size(), 4) +
           number_bytes(file.size(), 4) + number_bytes(0, 2);
}

const std::vector<double> kTimes = {0.0, 0.5, 1.0};
const std::vector<float> kSignal = {1.0f, 3.0f, -5.0f, 2.0f, -4.0f, 0.5f};
const std::vector<float> kComplex = {1.0f, 2.0f, 3.0f, -4.0f, -5.0f, 0.5f};
const CurveFormat kSpaced = {.time_unit = "ns", .dwell = 500.0, .start = 0.0};

MeasuredCurves read(const std::string& name, const std::string& bytes,
                    const CurveFormat& format = {}) {
    const TemporaryFolder folder;
    return read_measured_curves(folder.write(name, bytes), format);
}

/// The message without the folder's name.
std::string error_of(const std::string& name, const std::string& bytes,
                     const CurveFormat& format = {}) {
    const TemporaryFolder folder;
    const std::string path = folder.write(name, bytes);
    const std::string message = message_of<InputError>([&] { read_measured_curves(path, format); });
    if (message.empty()) return "";
    REQUIRE(message.starts_with(folder.path() + "/"));
    CHECK(message.find('\n') == message.npos);
    return message.substr(folder.path().size() + 1);
}

CurveFormat columns(const std::string& text) {
    return {.columns = parse_columns(text)};
}

/// Reads every truncation of a file and many damaged ones: either curves or one line, nothing
/// large.
void require_safe(const std::string& name, const std::string& bytes, const CurveFormat& format) {
    const TemporaryFolder folder;
    const auto attempt = [&](const std::string& text) {
        const std::string path = folder.write(name, text);
        counted_memory::largest = 0;
        std::string message = "curves";
        try {
            read_measured_curves(path, format);
        } catch (const InputError& error) {
            message = error.what();
        }
        REQUIRE(message.find('\n') == message.npos);
        // The file's own size and what a header may have; claims of a damaged one are not believed.
        REQUIRE(counted_memory::largest < 300000);
        return message;
    };
    REQUIRE(attempt(bytes) == "curves");
    for (std::size_t length = 0; length < bytes.size(); ++length) {
        REQUIRE(attempt(bytes.substr(0, length)) != "curves");
    }
    std::uint32_t random = 1;  // a linear congruential generator: the same damage every time
    for (std::size_t place = 0; place < bytes.size(); ++place) {
        for (int kind = 0; kind < 3; ++kind) {
            random = random * 1664525u + 1013904223u;
            std::string damaged = bytes;
            damaged[place] = kind == 0   ? '\xff'
                             : kind == 1 ? '\0'
                                         : static_cast<char>(random >> 24);
            attempt(damaged);
        }
    }
}

}  // namespace

TEST_CASE("a NumPy array of complex numbers needs times") {
    const std::string array = npy("<c8", "(3,)", bytes_of(kComplex));
    const MeasuredCurves curves = read("a.npy", array, kSpaced);
    CHECK(curves.time_us == kTimes);
    CHECK(curves.signal == kSignal);
    CHECK(curves.axis == "spacing as given");
    CHECK(error_of("a.npy", array) ==
          "a.npy: expected times beside the signal, or a given spacing (dwell) and start");
    const std::vector<double> wide(kComplex.begin(), kComplex.end());
    CHECK(read("a.npy", npy("<c16", "(3,)", bytes_of(wide), false, 2), kSpaced).signal == kSignal);
    CHECK(read("a.npy", npy("<c16", "(1, 3)", bytes_of(wide), true, 3), kSpaced).signal == kSignal);
}

TEST_CASE("NumPy arrays of all shapes, in both orders") {
    const std::vector<float> pairs = kComplex;  // (3, 2): Re, Im of each point
    CHECK(read("a.npy", npy("<f4", "(3, 2)", bytes_of(pairs)), kSpaced).signal == kSignal);
    CHECK(read("a.npy", npy("<f4", "(3, 2)", bytes_of(kSignal), true), kSpaced).signal == kSignal);
    const std::vector<double> rows = {0, 1, 2, 0.5, 3, -4, 1, -5, 0.5};
    const MeasuredCurves timed = read("a.npy", npy("<f8", "(3, 3)", bytes_of(rows)));
    CHECK(timed.time_us == kTimes);
    CHECK(timed.signal == kSignal);
    CHECK(timed.axis == "times taken as us");
    const std::vector<double> turned = {2, 0, 1, -4, 0.5, 3, 0.5, 1, -5};
    CHECK(
        read("a.npy", npy("<f8", "(3, 3)", bytes_of(turned)), columns("time=2,re=3,im=1")).signal ==
        kSignal);
    // (2, 2, 3): two curves.
    std::vector<float> two = kSignal;
    for (const float value : kSignal) two.push_back(10.0f * value);
    const MeasuredCurves both = read("a.npy", npy("<f4", "(2, 2, 3)", bytes_of(two)), kSpaced);
    CHECK(both.count() == 2);
    CHECK(both.signal == two);
    std::vector<float> fortran(12);
    for (std::size_t c = 0; c < 2; ++c) {
        for (std::size_t part = 0; part < 2; ++part) {
            for (std::size_t i = 0; i < 3; ++i)
                fortran[c + 2 * part + 4 * i] = two[6 * c + 3 * part + i];
        }
    }
    CHECK(read("a.npy", npy("<f4", "(2, 2, 3)", bytes_of(fortran), true), kSpaced).signal == two);
    std::vector<float> complex_fortran;  // (2, 3) complex
    for (std::size_t i = 0; i < 3; ++i) {
        for (std::size_t c = 0; c < 2; ++c) {
            complex_fortran.push_back(two[6 * c + i]);
            complex_fortran.push_back(two[6 * c + 3 + i]);
        }
    }
    CHECK(read("a.npy", npy("<c8", "(2, 3)", bytes_of(complex_fortran), true), kSpaced).signal ==
          two);
}

namespace {

template <typename Number>
std::string array_of(const char* type, const char* shape, bool swapped = false) {
    std::vector<Number> numbers;
    for (const int number : {1, 2, 3, 100, 5, 6, 7, 8}) {
        numbers.push_back(static_cast<Number>(number));
    }
    std::string bytes = bytes_of(numbers);
    for (std::size_t i = 0; swapped && i < bytes.size(); i += sizeof(Number)) {
        std::reverse(bytes.begin() + static_cast<std::ptrdiff_t>(i),
                     bytes.begin() + static_cast<std::ptrdiff_t>(i + sizeof(Number)));
    }
    return npy(type, shape, bytes);
}

}  // namespace

TEST_CASE("NumPy arrays of whole numbers and of either byte order") {
    const std::vector<float> expected = {1, 3, 5, 7, 2, 100, 6, 8};
    const char* shape = "(4, 2)";
    for (const std::string& array :
         {array_of<std::int8_t>("|i1", shape), array_of<std::uint8_t>("|u1", shape),
          array_of<std::int16_t>("<i2", shape), array_of<std::uint16_t>(">u2", shape, true),
          array_of<std::int32_t>(">i4", shape, true), array_of<std::uint32_t>("<u4", shape),
          array_of<std::int64_t>(">i8", shape, true), array_of<std::uint64_t>("<u8", shape),
          array_of<Eigen::half>("<f2", shape), array_of<Eigen::half>(">f2", shape, true),
          array_of<float>(">f4", shape, true), array_of<double>(">f8", shape, true),
          array_of<float>(">c8", "(4,)", true), array_of<double>(">c16", "(4,)", true)}) {
        CHECK(read("a.npy", array, kSpaced).signal == expected);
    }
    // Re in a row, Im in the next.
    CHECK(read("a.npy", array_of<double>("<f8", "(2, 4)"), kSpaced).signal ==
          std::vector<float>{1, 2, 3, 100, 5, 6, 7, 8});
}

TEST_CASE("NumPy arrays that cannot be used are named with what was expected") {
    const std::string data = bytes_of(kComplex);
    CHECK(error_of("a.npy", "text", kSpaced) ==
          "a.npy: expected a NumPy array, found something else");
    for (const char* type : {"|O", "<f16", "<U4", "f4", ""}) {
        CHECK(error_of("a.npy", npy(type, "(3, 2)", data), kSpaced) ==
              std::string("a.npy: expected dtype float16, float32, float64, complex64, complex128 "
                          "or whole numbers of 8 to 64 bits, found ") +
                  type);
    }
    CHECK(error_of("a.npy", npy("<f4", "(3, 3)", data)) ==
          "a.npy: truncated: expected 36 bytes of (3, 3), found 24");
    CHECK(error_of("a.npy", npy("<f4", "(2, 2)", data)) ==
          "a.npy: too long: expected 16 bytes of (2, 2), found 24");
    CHECK(error_of("a.npy", npy("<f4", "(6,)", data), kSpaced) ==
          "a.npy: expected complex (points) or (count, points), or real (points, 2), (points, 3), "
          "(2, points) or (count, 2, points), found real (6,)");
    CHECK(error_of("a.npy", npy("<f4", "(0, 2)", ""), kSpaced) ==
          "a.npy: expected curves, found none in (0, 2)");
    CHECK(error_of("a.npy", npy("<f8", "(4294967296, 4294967296, 2)", data), kSpaced) ==
          "a.npy: (4294967296, 4294967296, 2) is more than the file holds");
    CHECK(error_of("a.npy", npy("<f4", "(3, 2)", data, false, 9), kSpaced) ==
          "a.npy: expected version 1, 2 or 3 of the .npy format, found 9");
    const std::vector<float> bad = {1, 2, INFINITY, 4, 5, 6};
    CHECK(error_of("a.npy", npy("<f4", "(3, 2)", bytes_of(bad)), kSpaced) ==
          "a.npy: expected finite numbers, found inf");
    const std::vector<float> back = {1, 2, 3, 1, 5, 6};
    CHECK(error_of("a.npy", npy("<f4", "(2, 3)", bytes_of(back))) ==
          "a.npy: expected times that ascend, found 1 after 1");
    CHECK(error_of("a.npy", npy("<c8", "(3,)", data), columns("re=1,im=2")) ==
          "a.npy: columns are chosen, but complex (3,) has none");
    CHECK(error_of("a.npy", npy("<f4", "(3, 2)", data), columns("re=1,im=3")) ==
          "a.npy: expected a column from 1 to 2 for im, found 3");
    CHECK(message_of<InputError>([] { read_measured_curves("/no/such.npy"); }) ==
          "/no/such.npy: no such file");
}

TEST_CASE("a .npz archive, stored and deflated, as made here and by NumPy") {
    for (const bool pack : {false, true}) {
        const std::string archive = zip({{"time.npy", npy("<f8", "(3,)", bytes_of(kTimes))},
                                         {"signal.npy", npy("<c8", "(3,)", bytes_of(kComplex))}},
                                        pack);
        const MeasuredCurves curves = read("a.npz", archive, {.time_unit = "ms"});
        CHECK(curves.time_us == std::vector<double>{0.0, 500.0, 1000.0});
        CHECK(curves.signal == kSignal);
        CHECK(curves.axis == "times in ms as asked");
    }
    // numpy.savez_compressed(time=[0, 0.5, 1], signal=numpy.complex64([1+2j, 3-4j, -5+0.5j])) of
    // NumPy 2.
    const std::string hex =
        "504b03042d000000080000002100dc2d49d8ffffffffffffffff0800140074696d652e6e707901001000"
        "98000000000000004d000000000000009bec17ea1b10c9c850c650ad9e925a9c5ca46ea5a06e9366a1ae"
        "a3a09e965f54529498179f5f94920a12774bcc294e058a17672416a402f91ac63a9a3a0ab50a14002e06"
        "14f0c01e427fb00700504b03042d00000008000000210038d6bf05ffffffffffffffff0a001400736967"
        "6e616c2e6e707901001000980000000000000058000000000000009bec17ea1b10c9c850c650ad9e925a"
        "9c5ca46ea5a06e936ca1aea3a09e965f54529498179f5f94920a12774bcc294e058a17672416a402f91a"
        "c63a9a3a0ab50a14002e0686067b060606072002e286030c0c0b8098c11e00504b01022d032d00000008"
        "0000002100dc2d49d84d0000009800000008000000000000000000000080010000000074696d652e6e70"
        "79504b01022d032d00000008000000210038d6bf0558000000980000000a000000000000000000000080"
        "01870000007369676e616c2e6e7079504b050600000000020002006e0000001b0100000000";
    std::string archive;
    for (std::size_t i = 0; i < hex.size(); i += 2) {
        archive += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
    }
    const MeasuredCurves curves = read("a.npz", archive);
    CHECK(curves.time_us == kTimes);
    CHECK(curves.signal == kSignal);
}

TEST_CASE("arrays of a .npz archive go by name") {
    const std::vector<double> re = {1, 3, -5}, im = {2, -4, 0.5};
    const std::string archive = zip({{"t.npy", npy("<f8", "(3,)", bytes_of(kTimes))},
                                     {"x.npy", npy("<f8", "(3,)", bytes_of(re))},
                                     {"y.npy", npy("<f8", "(3,)", bytes_of(im))}},
                                    true);
    CHECK(read("a.npz", archive, columns("time=t,re=x,im=y")).signal == kSignal);
    CHECK(error_of("a.npz", archive, columns("time=t,re=x")) ==
          "a.npz: expected Re and Im: one channel is not enough");
    CHECK(error_of("a.npz", archive) == "a.npz: expected an array signal, found t, x, y");
    CHECK(error_of("a.npz", archive, columns("time=t,re=x,im=z")) ==
          "a.npz: expected an array z, found t, x, y");
    const std::string alone = zip({{"arr_0.npy", npy("<c8", "(3,)", bytes_of(kComplex))}}, true);
    CHECK(read("a.npz", alone, kSpaced).signal == kSignal);
    const std::string few =
        zip({{"time.npy", npy("<f8", "(2,)", bytes_of(std::vector<double>{0, 1}))},
             {"signal.npy", npy("<c8", "(3,)", bytes_of(kComplex))}},
            true);
    CHECK(error_of("a.npz", few) == "a.npz: time: expected 3 real times, found real (2,)");
    // Times are told by their names, as in a text's header.
    const std::string signal = npy("<c8", "(3,)", bytes_of(kComplex));
    const std::string times = npy("<f8", "(3,)", bytes_of(kTimes));
    const std::string none = npy("<f8", "(2,)", bytes_of(std::vector<double>{0, 1}));
    const MeasuredCurves named =
        read("a.npz", zip({{"signal.npy", signal}, {"time_ms.npy", times}}, true));
    CHECK(named.time_us == std::vector<double>{0.0, 500.0, 1000.0});
    CHECK(named.axis == "times in ms as the file says");
    CHECK(read("a.npz", zip({{"t.npy", none}, {"signal.npy", signal}, {"time.npy", times}}, true))
              .time_us == kTimes);
}

TEST_CASE("damaged archives are refused") {
    const std::string array = npy("<c8", "(3,)", bytes_of(kComplex));
    std::string archive = zip({{"signal.npy", array}}, false);
    archive[archive.find(array) + array.size() - 1] ^= 1;
    CHECK(error_of("a.npz", archive, kSpaced) ==
          "a.npz: signal.npy is damaged: its checksum does not agree");
    CHECK(error_of("a.npz", "no archive at all, but long enough", kSpaced) ==
          "a.npz: expected a zip archive, found something else, or a truncated one");
    CHECK(error_of("a.npz", zip({}, false), kSpaced) ==
          "a.npz: expected an array signal, found none");
    // A claim of 3 GiB.
    std::string bomb = zip({{"signal.npy", array}}, true);
    const std::size_t entry = bomb.find("PK\x01\x02");
    bomb.replace(entry + 24, 4, number_bytes(3u << 30, 4));
    counted_memory::largest = 0;
    CHECK(error_of("a.npz", bomb, kSpaced) ==
          "a.npz: signal.npy: 3221225472 bytes are more than the file holds");
    CHECK(counted_memory::largest < 300000);
}

TEST_CASE("truncated and garbage NumPy files neither crash nor take memory") {
    require_safe("a.npy", npy("<c8", "(3,)", bytes_of(kComplex)), kSpaced);
    const std::vector<Member> members = {
        {"time.npy", npy("<f8", "(3,)", bytes_of(kTimes))},
        {"signal.npy", npy("<f4", "(1, 2, 3)", bytes_of(kSignal), true)}};
    require_safe("a.npz", zip(members, false), {});
    require_safe("a.npz", zip(members, true), {});
}

namespace {

void write_hdf5(const std::string& path, bool complex_numbers, const char* name_of_times = "time") {
    const hid_t file = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    const hid_t group = H5Gcreate2(file, "run3", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    const hsize_t points = 3;
    const hid_t line = H5Screate_simple(1, &points, nullptr);
    const hid_t time = H5Dcreate2(group, name_of_times, H5T_IEEE_F64LE, line, H5P_DEFAULT,
                                  H5P_DEFAULT, H5P_DEFAULT);
    H5Dwrite(time, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, kTimes.data());
    const hid_t text = H5Tcopy(H5T_C_S1);
    H5Tset_size(text, 2);
    const hid_t one = H5Screate(H5S_SCALAR);
    const bool named_unit = std::string(name_of_times) != "time";
    const hid_t unit =
        H5Acreate2(time, named_unit ? "remark" : "unit", text, one, H5P_DEFAULT, H5P_DEFAULT);
    H5Awrite(unit, text, "ms");
    hid_t set = H5I_INVALID_HID;
    if (complex_numbers) {  // as h5py writes numpy.complex64
        const hid_t type = H5Tcreate(H5T_COMPOUND, 8);
        H5Tinsert(type, "r", 0, H5T_IEEE_F32LE);
        H5Tinsert(type, "i", 4, H5T_IEEE_F32LE);
        set = H5Dcreate2(group, "echo", type, line, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
        H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, kComplex.data());
        H5Tclose(type);
    } else {
        const hsize_t shape[] = {3, 2};
        const hid_t table = H5Screate_simple(2, shape, nullptr);
        set =
            H5Dcreate2(group, "echo", H5T_IEEE_F32LE, table, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
        H5Dwrite(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, kComplex.data());
        H5Sclose(table);
    }
    H5Dclose(set);
    H5Aclose(unit);
    H5Sclose(one);
    H5Tclose(text);
    H5Dclose(time);
    H5Sclose(line);
    H5Gclose(group);
    H5Fclose(file);
}

}  // namespace

TEST_CASE("an array of an HDF5 file, with the times beside it and their unit") {
    const TemporaryFolder folder;
    const std::string path = folder / "a.h5";
    for (const bool complex_numbers : {false, true}) {
        write_hdf5(path, complex_numbers);
        const MeasuredCurves curves = read_measured_curves(path + ":/run3/echo");
        CHECK(curves.time_us == std::vector<double>{0.0, 500.0, 1000.0});
        CHECK(curves.signal == kSignal);
        CHECK(curves.axis == "times in ms as the file says");
    }
    write_hdf5(folder / "named.h5", true, "t_ms");
    CHECK(read_measured_curves((folder / "named.h5") + ":/run3/echo").time_us ==
          std::vector<double>{0.0, 500.0, 1000.0});
    CHECK(read_measured_curves(path + ":/run3/echo", kSpaced).time_us == kTimes);
    CHECK(read_measured_curves(path + ":/run3/echo", columns("time=/run3/time")).points() == 3);
    const auto error = [&](const std::string& name, const CurveFormat& format = {}) {
        const std::string message =
            message_of<InputError>([&] { read_measured_curves(path + name, format); });
        REQUIRE(message.starts_with(path));
        return message.substr(path.size());
    };
    CHECK(error(":/run4/echo") == ": expected a data set /run4/echo");
    CHECK(error(":/run3") == ": expected a data set at /run3, found a group");
    CHECK(error(":/run3/time").starts_with(":/run3/time: expected complex (points)"));
    CHECK(error(":/run3/echo", {.time_unit = "s"}) ==
          ":/run3/time: expected times in s as asked, found ms");
    CHECK(message_of<InputError>([&] { read_measured_curves((folder / "b.h5") + ":/x"); }) ==
          folder / "b.h5" + ": no such file");
}

TEST_CASE("truncated HDF5 files are refused") {
    const TemporaryFolder folder;
    write_hdf5(folder / "a.h5", true);
    const std::string whole = folder.read("a.h5");
    for (std::size_t length = 0; length < whole.size(); length += 16) {
        const std::string path = folder.write("b.h5", whole.substr(0, length));
        counted_memory::largest = 0;
        const std::string message =
            message_of<InputError>([&] { read_measured_curves(path + ":/run3/echo"); });
        REQUIRE(message.starts_with(path));
        REQUIRE(counted_memory::largest < 300000);
    }
}

TEST_CASE("an axis is told in words") {
    CHECK(axis_in_words({{0.0, 0.25, 0.5}, kSignal, "spacing as given"}) ==
          "3 points, spacing 0.25 us, from 0 to 0.5 us; spacing as given");
    CHECK(axis_in_words({{1.0, 1.25, 2.0}, kSignal, "times taken as us"}) ==
          "3 points, spacing 0.25 to 0.75 us, from 1 to 2 us; times taken as us");
    CHECK(axis_in_words({{1.0}, {0, 0}, "times taken as us"}) == "1 points; times taken as us");
}

TEST_CASE("a column of standard deviations is read beside the samples") {
    const MeasuredCurves curves =
        read("a.csv", "time_us,re,im,sigma\n0,1,2,0.1\n1,3,4,0.2\n2,5,6,0.4\n");
    CHECK(curves.sigma == std::vector<float>{0.1f, 0.2f, 0.4f});
    CHECK(curves.signal == std::vector<float>{1.0f, 3.0f, 5.0f, 2.0f, 4.0f, 6.0f});
    const MeasuredCurves chosen =
        read("a.csv", "0 7 1 2\n1 7 3 4\n", columns("time=1,sigma=2,re=3,im=4"));
    CHECK(chosen.sigma == std::vector<float>{7.0f, 7.0f});
    CHECK(error_of("a.csv", "time_us,re,im,sigma\n0,1,2,0.1\n1,3,4,0\n") ==
          "a.csv:3: sigma: expected a standard deviation > 0, found 0");
    const std::string noise = npy("<f8", "(3,)", bytes_of(kTimes));
    CHECK(
        error_of("a.npz",
                 zip({{"signal.npy", npy("<c8", "(3,)", bytes_of(kComplex))}, {"sigma.npy", noise}},
                     false),
                 kSpaced)
            .find("a.npz: sigma: expected standard deviations > 0, found 0") == 0);
}

TEST_CASE("samples that are not a number are dead") {
    const MeasuredCurves curves = read("a.csv", "time_us,re,im\n0,1,2\n1,nan,4\n2,5,NaN\n3,7,8\n");
    CHECK(curves.dead == std::vector<bool>{false, true, true, false});
    CHECK(curves.signal == std::vector<float>{1.0f, 0.0f, 0.0f, 7.0f, 2.0f, 0.0f, 0.0f, 8.0f});
    CHECK(curves.axis.find("2 samples that are not numbers do not count") != std::string::npos);
    CHECK(error_of("a.csv", "time_us,re,im\n0,nan,2\n1,nan,4\n") ==
          "a.csv: expected numbers, found none");
    const std::vector<float> some = {1.0f, 2.0f, NAN, 4.0f, 5.0f, 6.0f};
    CHECK(read("a.npy", npy("<c8", "(3,)", bytes_of(some)), kSpaced).dead ==
          std::vector<bool>{false, true, false});
}

TEST_CASE("gaps in the times are dead samples of a grid") {
    const MeasuredCurves curves = with_gaps_filled(
        read("a.csv", "time_us,re,im,sigma\n10,1,2,1\n10.5,3,4,2\n12,5,6,3\n12.5,7,8,4\n"));
    CHECK(curves.time_us == std::vector<double>{10.0, 10.5, 11.0, 11.5, 12.0, 12.5});
    CHECK(curves.dead == std::vector<bool>{false, false, true, true, false, false});
    CHECK(curves.signal == std::vector<float>{1.0f, 3.0f, 0.0f, 0.0f, 5.0f, 7.0f, 2.0f, 4.0f, 0.0f,
                                              0.0f, 6.0f, 8.0f});
    CHECK(curves.sigma == std::vector<float>{1.0f, 2.0f, 1.0f, 1.0f, 3.0f, 4.0f});
    // Times on no grid stay as they are.
    const MeasuredCurves uneven =
        with_gaps_filled(read("a.csv", "time_us,re,im\n0,1,2\n1,3,4\n2.4,5,6\n3,7,8\n4,1,1\n"));
    CHECK(uneven.points() == 5);
    CHECK(uneven.dead.empty());
    const std::string step = "time_us,re,im\n0,1,2\n1,3,4\n2,5,6\n3,7,8\n1000000,1,1\n";
    CHECK(with_gaps_filled(read("a.csv", step)).points() == 5);
}

TEST_CASE("first samples are skipped and Im is turned where asked") {
    const std::string two = "0 1 2\n1 3 4\n2 5 6\n3 7 8\n";
    CurveFormat format;
    format.skip = 1;
    format.conjugate = true;
    const MeasuredCurves curves = read("a.txt", two + two, format);
    CHECK(curves.time_us == std::vector<double>{1.0, 2.0, 3.0});
    CHECK(curves.signal == std::vector<float>{3.0f, 5.0f, 7.0f, -4.0f, -6.0f, -8.0f, 3.0f, 5.0f,
                                              7.0f, -4.0f, -6.0f, -8.0f});
    CHECK(curves.axis == "times taken as us; 2 records; the first 1 left out; conjugated");
    format.skip = 3;
    CHECK(error_of("a.txt", two, format) ==
          "a.txt: expected more than 4 samples to leave out so many, found 4");
}
