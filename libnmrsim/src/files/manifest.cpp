#include "nmrsim/manifest.h"

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <limits>
#include <map>
#include <set>
#include <utility>

#include <nlohmann/json.hpp>

#include "nmrsim/errors.h"
#include "nmrsim/file_output.h"
#include "text/text_numbers.h"

namespace nmrsim {

namespace {

constexpr const char* kFormat = "nmrsim-manifest";
constexpr std::uint64_t kManifestVersion = 1;
constexpr std::size_t kSha256Digits = 64;
/// Of what a message repeats.
constexpr std::size_t kLongestName = 40;

/// Where a value of a manifest goes: one of the two by its type.
struct Place {
    std::string* text = nullptr;
    std::uint64_t* number = nullptr;
};

/// Takes a manifest as it is parsed, so that nothing but the manifest itself is ever in memory and
/// the first thing that does not belong ends it.
class ManifestParser : public nlohmann::json_sax<nlohmann::json> {
public:
    Manifest manifest;
    std::string format;
    std::uint64_t format_version = 0;
    std::uint64_t count = 0;
    std::string error;  ///< what was wrong

    bool null() override { return wrong("null"); }
    bool boolean(bool) override { return wrong("true or false"); }
    bool number_integer(number_integer_t value) override { return wrong(fmt::to_string(value)); }
    bool number_float(number_float_t, const string_t& text) override {
        return wrong(printable(text, kLongestName));
    }
    bool binary(binary_t&) override { return wrong("binary"); }
    bool number_unsigned(number_unsigned_t value) override {
        const Place place = found();
        if (!place.number) return wrong(fmt::to_string(value));
        *place.number = value;
        return true;
    }
    bool string(string_t& value) override {
        const Place place = found();
        if (!place.text) return wrong("a text");
        *place.text = std::move(value);
        return true;
    }
    bool start_object(std::size_t) override {
        if (depth_ == Depth::outside) {
            depth_ = Depth::root;
            return true;
        }
        if (depth_ != Depth::shards) return wrong("an object");
        depth_ = Depth::shard;
        shard_ = {};
        seen_of_shard_.clear();
        return true;
    }
    bool key(string_t& name) override {
        if (!keys().contains(name)) return fail("unknown key " + printable(name, kLongestName));
        if (!seen().insert(name).second) return fail(fmt::format("key {} is there twice", name));
        key_ = std::move(name);
        return true;
    }
    bool end_object() override {
        for (const auto& [name, place] : keys()) {
            if (!seen().contains(name)) return fail(where() + "expected a key " + name);
        }
        if (depth_ == Depth::root) return true;
        if (!fits()) return false;
        manifest.shards.push_back(shard_);
        depth_ = Depth::shards;
        return true;
    }
    bool start_array(std::size_t) override {
        if (depth_ != Depth::root || key_ != "shards") return wrong("a list");
        depth_ = Depth::shards;
        return true;
    }
    bool end_array() override {
        depth_ = Depth::root;
        return true;
    }
    bool parse_error(std::size_t position, const std::string&,
                     const nlohmann::json::exception&) override {
        return fail(fmt::format("no JSON at byte {}", position));
    }

private:
    enum class Depth { outside, root, shards, shard };

    bool fail(std::string what) {
        if (error.empty()) error = std::move(what);
        return false;
    }
    bool wrong(const std::string& value) {
        return fail(
            fmt::format("{}{}did not expect {}", where(), key_.empty() ? "" : key_ + ": ", value));
    }
    const std::map<std::string, Place>& keys() const {
        return depth_ == Depth::shard ? of_shard_ : of_root_;
    }
    std::set<std::string>& seen() {
        return depth_ == Depth::shard ? seen_of_shard_ : seen_of_root_;
    }
    /// Where a value goes; nowhere where none belongs.
    Place found() const {
        const bool in_object = depth_ == Depth::root || depth_ == Depth::shard;
        return in_object ? keys().at(key_) : Place{};
    }
    /// "shard 3: " within one.
    std::string where() const {
        return depth_ == Depth::shard ? fmt::format("shard {}: ", manifest.shards.size() + 1) : "";
    }
    /// Whether the shard's values are what they may be.
    bool fits() {
        const std::filesystem::path file(shard_.file);
        bool inside = !shard_.file.empty() && file.is_relative() &&
                      printable(shard_.file, shard_.file.size()) == shard_.file;
        for (const auto& part : file) inside = inside && part != "..";
        if (!inside) return fail(where() + "file: expected one in the manifest's folder");
        if (shard_.sha256.size() != kSha256Digits) {
            return fail(where() + "sha256: expected 64 digits");
        }
        shard_.count = count_;
        return true;
    }

    Depth depth_ = Depth::outside;
    std::string key_;
    std::set<std::string> seen_of_root_;
    std::set<std::string> seen_of_shard_;
    Shard shard_;
    std::uint64_t count_ = 0;
    const std::map<std::string, Place> of_root_ = {
        {"format", {&format, nullptr}},
        {"format_version", {nullptr, &format_version}},
        {"version", {&manifest.version, nullptr}},
        {"experiment", {&manifest.experiment_toml, nullptr}},
        {"seed", {nullptr, &manifest.seed}},
        {"first_index", {nullptr, &manifest.first_index}},
        {"count", {nullptr, &count}},
        {"shards", {}}};
    const std::map<std::string, Place> of_shard_ = {{"file", {&shard_.file, nullptr}},
                                                    {"first_index", {nullptr, &shard_.first_index}},
                                                    {"count", {nullptr, &count_}},
                                                    {"bytes", {nullptr, &shard_.bytes}},
                                                    {"sha256", {&shard_.sha256, nullptr}}};
};

}  // namespace

std::size_t Manifest::count() const {
    std::size_t sum = 0;
    for (const Shard& shard : shards) sum += shard.count;
    return sum;
}

bool is_manifest(const std::string& path) {
    if (std::filesystem::path(path).extension() == ".json") return true;
    std::error_code error;
    return std::filesystem::is_regular_file(path, error) &&
           std::ifstream(path, std::ios::binary).peek() == '{';
}

void write_manifest(const Manifest& manifest, const std::string& path) {
    nlohmann::ordered_json shards = nlohmann::ordered_json::array();
    for (const Shard& shard : manifest.shards) {
        shards.push_back({{"file", shard.file},
                          {"first_index", shard.first_index},
                          {"count", shard.count},
                          {"bytes", shard.bytes},
                          {"sha256", shard.sha256}});
    }
    const nlohmann::ordered_json json = {
        {"format", kFormat},           {"format_version", kManifestVersion},
        {"version", manifest.version}, {"experiment", manifest.experiment_toml},
        {"seed", manifest.seed},       {"first_index", manifest.first_index},
        {"count", manifest.count()},   {"shards", std::move(shards)}};
    write_whole_file(path, json.dump(2) + "\n");
}

Manifest read_manifest(const std::string& path) {
    const auto refuse = [&](const std::string& what) {
        throw InputError(fmt::format("{}: {}", path, what));
    };
    std::error_code error;
    if (!std::filesystem::exists(path, error)) refuse("no such file");
    if (!std::filesystem::is_regular_file(path, error)) refuse("expected a manifest, a JSON file");
    std::ifstream file(path, std::ios::binary);
    if (!file) refuse("cannot be read");
    ManifestParser parser;
    if (!nlohmann::json::sax_parse(file, &parser)) {
        refuse("expected a manifest: " + parser.error);
    }
    if (parser.format != kFormat) refuse(fmt::format("expected the format {}", kFormat));
    if (parser.format_version != kManifestVersion) {
        refuse(fmt::format("expected format_version {}, found {}", kManifestVersion,
                           parser.format_version));
    }
    // In curves that a file can hold, so that no sum of them overflows.
    std::uint64_t sum = 0;
    for (const Shard& shard : parser.manifest.shards) {
        if (shard.count > shard.bytes || shard.count > parser.count - sum) {
            refuse(fmt::format("{}: count: more curves than the file holds or the set, {}",
                               shard.file, shard.count));
        }
        sum += shard.count;
    }
    if (sum != parser.count) {
        refuse(fmt::format("count: expected the shards' sum {}, found {}", sum, parser.count));
    }
    if (parser.manifest.shards.empty()) refuse("shards: expected at least one");
    return std::move(parser.manifest);
}

}  // namespace nmrsim
