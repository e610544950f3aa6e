// Data sets made into files, stopped and gone on with.
#include "nmrsim/dataset_generation.h"

#include <filesystem>
#include <fstream>
#include <iterator>

#include "catch_compat.h"
#include "nmrsim/dataset.h"
#include "nmrsim/dataset_file.h"
#include "nmrsim/experiment_file.h"
#include "temporary_folder.h"

using namespace nmrsim;

namespace {

std::string bytes_of(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

TEST_CASE("dataset generation: parts of a range") {
    const IndexRange whole{5, 10};
    CHECK(part_of(whole, 1, 3).first == 5);
    CHECK(part_of(whole, 1, 3).end() == part_of(whole, 2, 3).first);
    CHECK(part_of(whole, 3, 3).end() == 15);
    CHECK(part_of(whole, 1, 1).count == 10);
}

TEST_CASE("dataset generation: stopped and gone on with, the file is the same") {
    const TemporaryFolder folder;
    GenerationTask task;
    task.experiment = load_experiment("published-echo");
    task.experiment.lattice.nx = task.experiment.lattice.ny = 6;
    task.experiment.acquisition.points = 8;
    task.range = {3, 200};
    task.seed = 4;
    task.save_every_s = 0.0;
    task.path = folder / "set.h5";
    task.progress = [](std::size_t done) { return done < 140; };
    const GenerationOutcome stopped = generate_dataset_files(task);
    CHECK_FALSE(stopped.whole);
    CHECK(stopped.saved >= 128);
    CHECK(stopped.saved < 200);
    CHECK(stopped.folder == folder / "set.part");
    CHECK(std::filesystem::exists(stopped.folder));
    CHECK_FALSE(std::filesystem::exists(task.path));

    GenerationTask other = task;
    other.seed = 5;
    other.resume = true;
    CHECK_THROWS_WITH(generate_dataset_files(other), ContainsSubstring("seed 4, expected 5"));

    task.resume = true;
    std::size_t first_done = 0;
    task.progress = [&](std::size_t done) {
        if (first_done == 0) first_done = done;
        return true;
    };
    CHECK(generate_dataset_files(task).whole);
    CHECK(first_done > stopped.saved);
    CHECK_FALSE(std::filesystem::exists(stopped.folder));
    const std::string at_once = folder / "once.h5";
    write_dataset(generate_dataset(task.experiment, 200, 4, 3), at_once);
    CHECK(bytes_of(task.path) == bytes_of(at_once));
    // It is there already, and no other set in its place.
    CHECK(generate_dataset_files(task).whole);
    task.range.count = 100;
    CHECK_THROWS_WITH(generate_dataset_files(task), ContainsSubstring("is not this set"));
}
