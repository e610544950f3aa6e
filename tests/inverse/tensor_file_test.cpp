// Tensor files: what is written is read, and what is damaged is refused with the file's name.
#include "model/tensor_file.h"

#include <unistd.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>

#include "catch_compat.h"
#include "nmrsim/errors.h"

using namespace nmrinverse;

namespace {

/// A folder of this test alone, removed at the end.
struct Folder {
    std::filesystem::path path =
        std::filesystem::temp_directory_path() / ("tensor_file_test." + std::to_string(::getpid()));
    Folder() { std::filesystem::create_directories(path); }
    ~Folder() { std::filesystem::remove_all(path); }
    std::string file(const char* name) const { return (path / name).string(); }
};

TensorFile example() {
    TensorFile file;
    file.metadata = {{"format", "example"}, {"text", "lines\nand \"quotes\""}};
    file.tensors["a"] = {{2, 3}, {1.0f, -2.0f, 3.5f, 0.0f, 1e-30f, 6.0f}};
    file.tensors["b"] = {{}, {7.0f}};
    return file;
}

std::string bytes_of(const std::string& path) {
    std::ifstream stream(path, std::ios::binary);
    std::ostringstream text;
    text << stream.rdbuf();
    return text.str();
}

void write_bytes(const std::string& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary) << bytes;
}

/// A file with this JSON header and this many bytes of data, all zero.
std::string with_header(const std::string& header, std::size_t data) {
    const std::uint64_t length = header.size();
    std::string bytes(sizeof length, '\0');
    std::memcpy(bytes.data(), &length, sizeof length);
    return bytes + header + std::string(data, '\0');
}

/// The message that reading these bytes ends with; empty where they are read.
std::string refusal(const std::string& bytes, const std::string& path) {
    write_bytes(path, bytes);
    try {
        read_tensor_file(path);
    } catch (const nmrsim::InputError& error) {
        return error.what();
    }
    return "";
}

}  // namespace

TEST_CASE("A tensor file comes back bit for bit", "[tensor_file]") {
    const Folder folder;
    const std::string path = folder.file("m.safetensors");
    const TensorFile written = example();
    write_tensor_file(written, path);
    const TensorFile read = read_tensor_file(path);
    CHECK(read.metadata == written.metadata);
    REQUIRE(read.tensors.size() == 2);
    CHECK(read.tensors.at("a").shape == written.tensors.at("a").shape);
    CHECK(read.tensors.at("a").values == written.tensors.at("a").values);
    CHECK(read.tensors.at("b").values == written.tensors.at("b").values);
}

TEST_CASE("Every truncation and every extra byte is refused", "[tensor_file]") {
    const Folder folder;
    const std::string path = folder.file("m.safetensors");
    write_tensor_file(example(), path);
    const std::string whole = bytes_of(path);
    CHECK(refusal(whole, path).empty());
    for (std::size_t size = 0; size < whole.size(); ++size) {
        INFO("cut to " << size << " of " << whole.size());
        CHECK(refusal(whole.substr(0, size), path).find("m.safetensors: ") != std::string::npos);
    }
    CHECK(refusal(whole + "x", path).find("bytes of data") != std::string::npos);
}

TEST_CASE("Headers that lie are refused before memory is taken", "[tensor_file]") {
    const Folder folder;
    const std::string path = folder.file("m.safetensors");
    const auto says = [&](const std::string& header, std::size_t data, const char* what) {
        INFO(header);
        CHECK(refusal(with_header(header, data), path).find(what) != std::string::npos);
    };
    says(R"([1, 2])", 0, "not a JSON object");
    says(R"({"a": )", 0, "not a JSON object");
    says(R"({"a": 1})", 0, "bad header");
    says(R"({"a": {"dtype": "F64", "shape": [1], "data_offsets": [0, 8]}})", 8, "F32");
    says(R"({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}})", 4, "does not agree");
    says(R"({"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}})", 4, "out of range");
    says(R"({"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]}})", 4, "do not lie");
    says(R"({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0]}})", 4, "bad header");
    says(R"({"a": {"dtype": "F32", "shape": [1099511627776, 1099511627776],
             "data_offsets": [0, 4]}})",
         4, "out of range");
    says(R"({"a": {"dtype": "F32", "shape": [4000000000], "data_offsets": [0, 16000000000]}})", 4,
         "do not lie");
    says(R"({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},
             "b": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}})",
         4, "overlaps");
    says(R"({"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}})", 8, "begin at byte 0");
    std::string huge = with_header("{}", 0);
    huge[6] = '\x7f';
    CHECK(refusal(huge, path).find("does not fit") != std::string::npos);
}

TEST_CASE("Numbers that are not finite are refused", "[tensor_file]") {
    const Folder folder;
    const std::string path = folder.file("m.safetensors");
    TensorFile file = example();
    file.tensors["a"].values[4] = std::numeric_limits<float>::quiet_NaN();
    write_tensor_file(file, path);
    CHECK_THROWS_AS(read_tensor_file(path), nmrsim::InputError);
}

TEST_CASE("A missing file is said to be missing", "[tensor_file]") {
    const Folder folder;
    try {
        read_tensor_file(folder.file("none.safetensors"));
        FAIL("read a file that is not there");
    } catch (const nmrsim::InputError& error) {
        CHECK(std::string(error.what()).find("none.safetensors: ") != std::string::npos);
    }
}
