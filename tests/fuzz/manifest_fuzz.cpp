// A manifest of a data set in several files.
#include "fuzz.h"
#include "nmrsim/dataset_reader.h"
#include "nmrsim/manifest.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string path = fuzz::write_file("input.json", fuzz::text_of(data, size));
    nmrsim::Manifest manifest;
    if (!fuzz::answers([&] { manifest = nmrsim::read_manifest(path); })) return 0;
    fuzz::require(!manifest.shards.empty(), "a manifest has shards");
    std::size_t sum = 0;
    for (const nmrsim::Shard& shard : manifest.shards) sum += shard.count;
    fuzz::require(sum == manifest.count(), "its count is theirs");
    fuzz::answers([&] { nmrsim::DatasetReader({path}); });  // whose files are not there
    const std::string written = (fuzz::folder() / "written.json").string();
    nmrsim::write_manifest(manifest, written);
    const nmrsim::Manifest again = nmrsim::read_manifest(written);
    fuzz::require(again.count() == manifest.count() && again.seed == manifest.seed &&
                      again.experiment_toml == manifest.experiment_toml,
                  "a manifest reads back as it was written");
    return 0;
}
