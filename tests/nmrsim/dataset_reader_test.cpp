#include "nmrsim/dataset_reader.h"

#include "catch_compat.h"
#include "nmrsim/dataset_file.h"
#include "nmrsim/errors.h"
#include "nmrsim/manifest.h"
#include "nmrsim/sha256.h"
#include "temporary_folder.h"

using namespace nmrsim;

namespace {

/// Curves first ... first + count - 1 of a set whose every number tells its index.
Dataset curves(std::uint64_t first, std::size_t count) {
    Dataset set;
    set.unknowns = {{"alpha_x_khz", 0.0, 150.0}, {"flip_deg", 10.0, 90.0}};
    set.time_us = {130.0, 140.0, 150.0};
    for (std::size_t i = 0; i < count; ++i) {
        const auto index = static_cast<double>(first + i);
        set.parameters.insert(set.parameters.end(), {index, 10.0 + index});
        for (int value = 0; value < 6; ++value) {
            set.signal.push_back(static_cast<float>(index + value / 10.0));
        }
    }
    set.experiment_toml = "name = \"counting\"\n";
    set.seed = 5;
    set.first_index = first;
    set.version = "0.1.0";
    return set;
}

/// Shards of 4, 1 and 7 curves with their manifest, all in `folder`.
Manifest write_shards(const TemporaryFolder& folder) {
    Manifest manifest{"0.1.0", curves(0, 0).experiment_toml, 5, 0, {}};
    for (const auto& [first, count] : {std::pair{0, 4}, {4, 1}, {5, 7}}) {
        const std::string name = "s" + std::to_string(first) + ".h5";
        write_dataset(curves(static_cast<std::uint64_t>(first), static_cast<std::size_t>(count)),
                      folder / name);
        manifest.shards.push_back(
            {name, static_cast<std::uint64_t>(first), static_cast<std::size_t>(count),
             std::filesystem::file_size(folder / name), sha256_of_file(folder / name)});
    }
    write_manifest(manifest, folder / "set.json");
    return manifest;
}

void check_rows(const DatasetReader& reader, std::size_t first, std::size_t count) {
    const Dataset expected = curves(first, count);
    const Dataset found = reader.rows(first, count);
    INFO(first << " + " << count);
    CHECK(found.signal == expected.signal);
    CHECK(found.parameters == expected.parameters);
    if (count > 0) CHECK(found.first_index == first);
}

/// What is wrong with shards and a manifest that `damage` has changed, without the folder's name.
template <typename Damage>
std::string error_of(const Damage& damage) {
    const TemporaryFolder folder;
    Manifest manifest = write_shards(folder);
    damage(folder, manifest);
    write_manifest(manifest, folder / "set.json");
    const std::string message = message_of<InputError>([&] { read_dataset(folder / "set.json"); });
    REQUIRE(message.starts_with(folder / ""));
    return message.substr((folder / "").size());
}

}  // namespace

TEST_CASE("SHA-256 is that of FIPS 180-2's example") {
    const TemporaryFolder folder;
    CHECK(sha256_of_file(folder.write("abc", "abc")) ==
          "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    CHECK(sha256_of_file(folder.write("empty", "")) ==
          "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    CHECK_THROWS_AS(sha256_of_file(folder / "none"), InputError);
}

TEST_CASE("any rows of one file, several, or a manifest") {
    const TemporaryFolder folder;
    write_shards(folder);
    write_dataset(curves(0, 12), folder / "whole.h5");
    for (const std::vector<std::string>& paths :
         {std::vector{folder / "whole.h5"},
          {folder / "set.json"},
          {folder / "s0.h5", folder / "s4.h5", folder / "s5.h5"}}) {
        const DatasetReader reader(paths);
        CHECK(reader.count() == 12);
        CHECK(reader.labelled());
        CHECK(reader.description().count() == 0);
        CHECK(reader.bytes_in_memory() == 12 * (6 * 4 + 2 * 8));
        for (std::size_t first = 0; first <= 12; ++first) {
            for (std::size_t count = 0; first + count <= 12; ++count) {
                check_rows(reader, first, count);
            }
        }
        CHECK_THROWS_AS(reader.rows(12, 1), std::invalid_argument);
    }
    // The whole of a manifest is a data set like any other.
    const Dataset whole = read_dataset(folder / "set.json");
    CHECK(whole.signal == curves(0, 12).signal);
    CHECK(whole.seed == 5);
}

TEST_CASE("a file of pieces has the bytes of one written at once") {
    const TemporaryFolder folder;
    write_dataset(curves(3, 20), folder / "once.h5");
    Dataset description = curves(3, 0);
    std::size_t asked = 0;
    std::string sha256;
    write_dataset(
        description, 20,
        [&](std::size_t first) {
            ++asked;
            return curves(3 + first, std::min<std::size_t>(7, 20 - first));
        },
        folder / "pieces.h5", &sha256);
    CHECK(asked == 3);
    CHECK(sha256 == sha256_of_file(folder / "once.h5"));
    CHECK(folder.read("once.h5") == folder.read("pieces.h5"));
    // A piece too long is refused, and the file stays.
    CHECK_THROWS_AS(
        write_dataset(
            description, 20, [](std::size_t) { return curves(0, 21); }, folder / "pieces.h5"),
        std::invalid_argument);
    CHECK(folder.read("once.h5") == folder.read("pieces.h5"));
    CHECK(folder.entries() == 2);
}

TEST_CASE("shards that are not what the manifest says are named") {
    CHECK(error_of([](const auto&, Manifest& m) { m.shards[1].file = "no.h5"; }) ==
          "no.h5: no such file, but the manifest names it");
    CHECK_THAT(error_of([](const auto&, Manifest& m) { m.shards[1].bytes += 1; }),
               ContainsSubstring("s4.h5: expected "));
    // One bit of one curve.
    CHECK_THAT(error_of([](const TemporaryFolder& folder, const Manifest&) {
                   std::string bytes = folder.read("s5.h5");
                   bytes[bytes.find(std::string("\x00\x00\xA0\x40", 4))] ^= 1;
                   folder.write("s5.h5", bytes);
               }),
               ContainsSubstring("s5.h5: expected SHA-256 "));
    CHECK_THAT(error_of([](const auto&, Manifest& m) {
                   m.shards[0].count = 3;
                   m.shards[1].count = 2;
               }),
               ContainsSubstring("expected curves, count "));
    CHECK(error_of([](const auto&, Manifest& m) { m.shards[0].first_index = 9; }) ==
          "s0.h5: expected first_index 9, found 0");
    CHECK(error_of([](const auto&, Manifest& m) { m.seed = 6; }) ==
          "set.json: seed: expected its shards' 5, found 6");
    CHECK(error_of([](const auto&, Manifest& m) { m.experiment_toml = ""; }) ==
          "set.json: experiment: expected that of its shards");
    // Files of another experiment side by side.
    const TemporaryFolder folder;
    write_shards(folder);
    Dataset other = curves(0, 2);
    other.time_us[2] = 151.0;
    write_dataset(other, folder / "other.h5");
    CHECK(message_of<InputError>([&] {
              DatasetReader({folder / "s0.h5", folder / "other.h5"});
          }) == folder / "other.h5" + ": expected the times of " + (folder / "s0.h5"));
}

TEST_CASE("manifests that are none are refused in one line") {
    const TemporaryFolder folder;
    write_shards(folder);
    const std::string whole = folder.read("set.json");
    const auto error_after = [&](const std::string& from, const std::string& to) {
        std::string text = whole;
        const auto at = text.find(from);
        REQUIRE(at != std::string::npos);
        text.replace(at, from.size(), to);
        const std::string path = folder.write("changed.json", text);
        const std::string message = message_of<InputError>([&] { read_manifest(path); });
        REQUIRE(message.starts_with(path + ": "));
        return message.substr(path.size() + 2);
    };
    CHECK(error_after("\"format_version\": 1", "\"format_version\": 2") ==
          "expected format_version 1, found 2");
    CHECK(error_after("nmrsim-manifest", "nmrsim") == "expected the format nmrsim-manifest");
    CHECK(error_after("\"seed\": 5", "\"seed\": -5") ==
          "expected a manifest: seed: did not expect -5");
    CHECK(error_after("\"seed\": 5", "\"seed\": [5]") ==
          "expected a manifest: seed: did not expect a list");
    CHECK(error_after("\"seed\": 5", "\"sead\": 5") == "expected a manifest: unknown key sead");
    CHECK(error_after("\"seed\": 5", "\"se\\n\x7f\": 5") ==
          "expected a manifest: unknown key se??");
    CHECK(error_after("s4.h5", "s\\n4.h5") ==
          "expected a manifest: shard 2: file: expected one in the manifest's folder");
    CHECK(error_after("\"seed\": 5,", "") == "expected a manifest: expected a key seed");
    CHECK(error_after("\"count\": 12", "\"count\": 13") ==
          "count: expected the shards' sum 12, found 13");
    CHECK(error_after("s4.h5", "../s4.h5") ==
          "expected a manifest: shard 2: file: expected one in the manifest's folder");
    CHECK(error_after("s4.h5", "/s4.h5") ==
          "expected a manifest: shard 2: file: expected one in the manifest's folder");
    CHECK(error_after("\"bytes\"", "\"count\"") == "expected a manifest: key count is there twice");
    CHECK_THAT(error_after("\"sha256\": \"", "\"sha256\": \"0"), ContainsSubstring("64 digits"));
    CHECK_THAT(error_after("\"count\": 4", "\"count\": 18446744073709551615"),
               ContainsSubstring("more curves than"));
    // Cut anywhere, and deeply nested.
    for (std::size_t length = 1; length + 2 < whole.size(); length += 7) {
        const std::string path = folder.write("cut.json", whole.substr(0, length));
        CHECK_THAT(message_of<InputError>([&] { read_manifest(path); }),
                   ContainsSubstring("expected a manifest: "));
    }
    CHECK_THROWS_AS(read_manifest(folder.write("deep.json", std::string(100000, '['))), InputError);
    CHECK(message_of<InputError>([&] { read_dataset(folder / "none.json"); }) ==
          folder / "none.json" + ": no such file");
}
