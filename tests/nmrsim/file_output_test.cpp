#include "nmrsim/file_output.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "catch_compat.h"
#include "temporary_folder.h"

using namespace nmrsim;

TEST_CASE("a file appears whole and replaces the old one") {
    const TemporaryFolder folder;
    const std::string path = folder / "curve.csv";
    write_whole_file(path, "one");
    CHECK(folder.read("curve.csv") == "one");
    write_whole_file(path, [&](const std::string& temporary) {
        // While it is written, the old one is what others see.
        CHECK(temporary != path);
        CHECK(std::filesystem::path(temporary).parent_path() == folder.path());
        CHECK(folder.read("curve.csv") == "one");
        std::ofstream(temporary) << "two";
    });
    CHECK(folder.read("curve.csv") == "two");
    CHECK(folder.entries() == 1);
}

TEST_CASE("an error leaves the old file and nothing beside it") {
    const TemporaryFolder folder;
    const std::string path = folder.write("curve.csv", "old");
    const auto failing = [](const std::string& temporary) {
        std::ofstream(temporary) << "half";
        throw std::runtime_error("midway");
    };
    CHECK(message_of<std::runtime_error>([&] { write_whole_file(path, failing); }) == "midway");
    CHECK(folder.read("curve.csv") == "old");
    CHECK_THROWS(write_whole_file(folder / "new.csv", failing));
    CHECK(folder.entries() == 1);
}

TEST_CASE("a missing folder and a folder in the file's place are named before any work") {
    const TemporaryFolder folder;
    bool called = false;
    const auto note = [&](const std::string&) { called = true; };
    const std::string missing = folder / "no/curve.csv";
    CHECK(message_of<std::runtime_error>([&] { write_whole_file(missing, note); }) ==
          missing + ": cannot be written: No such file or directory");
    CHECK(message_of<std::runtime_error>([&] { write_whole_file(folder.path(), note); }) ==
          folder.path() + ": cannot be written: Is a directory");
    CHECK_FALSE(called);
    CHECK(folder.entries() == 0);
}

TEST_CASE("a link stays a link") {
    const TemporaryFolder folder;
    std::filesystem::create_directory(folder / "data");
    folder.write("data/real.csv", "old");
    std::filesystem::create_symlink("data/real.csv", folder / "link.csv");
    write_whole_file(folder / "link.csv", "new");
    CHECK(std::filesystem::is_symlink(folder / "link.csv"));
    CHECK(folder.read("data/real.csv") == "new");
}

TEST_CASE("a pipe is written to, not replaced") {
    const TemporaryFolder folder;
    const std::string path = folder / "pipe";
    REQUIRE(mkfifo(path.c_str(), 0600) == 0);
    const int reader = open(path.c_str(), O_RDONLY | O_NONBLOCK);
    REQUIRE(reader >= 0);
    write_whole_file(path, "through");
    char buffer[16] = {};
    CHECK(read(reader, buffer, sizeof buffer) == 7);
    CHECK(std::string(buffer) == "through");
    close(reader);
    CHECK(std::filesystem::is_fifo(path));
}

TEST_CASE("files that belong together are replaced once all are whole, the last one last") {
    const TemporaryFolder folder;
    const std::vector<std::string> paths{folder / "a", folder / "b", folder / "mark"};
    const auto write = [&](const char* text, const std::function<void()>& before_the_end = {}) {
        write_whole_files(paths, [&](const std::vector<std::string>& files) {
            for (const std::string& file : files) std::ofstream(file) << text;
            if (before_the_end) before_the_end();
        });
    };
    write("one");
    CHECK_THROWS_AS(write("two", [] { throw std::runtime_error("stopped"); }), std::runtime_error);
    for (const std::string& path : paths) {
        CHECK(folder.read(std::filesystem::path(path).filename()) == "one");
    }
    CHECK(folder.entries() == 3);
    // Halfway through the renames a folder is in the way: what is there has no mark any more.
    CHECK_THROWS_AS(write("two",
                          [&] {
                              std::filesystem::remove(folder / "b");
                              std::filesystem::create_directory(folder / "b");
                          }),
                    std::runtime_error);
    CHECK(folder.read("a") == "two");
    CHECK_FALSE(std::filesystem::exists(folder / "mark"));
    CHECK(folder.entries() == 2);
}

TEST_CASE("a name without a folder is one in the working folder") {
    const TemporaryFolder folder;
    const auto before = std::filesystem::current_path();
    std::filesystem::current_path(folder.path());
    write_whole_file("here.txt", "x");
    std::filesystem::current_path(before);
    CHECK(folder.read("here.txt") == "x");
}

TEST_CASE("what is replaced keeps its mode, and a link to nothing yet stays one") {
    const TemporaryFolder folder;
    const std::string path = folder.write("curve.csv", "old");
    REQUIRE(::chmod(path.c_str(), 0640) == 0);
    write_whole_file(path, "new");
    struct stat after = {};
    REQUIRE(::stat(path.c_str(), &after) == 0);
    CHECK((after.st_mode & 07777) == 0640);
    std::filesystem::create_symlink("later.csv", folder / "link.csv");
    write_whole_file(folder / "link.csv", "one");
    CHECK(std::filesystem::is_symlink(folder / "link.csv"));
    CHECK(folder.read("later.csv") == "one");
    std::filesystem::create_symlink("round.csv", folder / "round.csv");
    CHECK_THROWS_AS(write_whole_file(folder / "round.csv", "one"), std::runtime_error);
}

TEST_CASE("a text goes to an open file where it stands") {
    const TemporaryFolder folder;
    const std::string path = folder.write("log", "first\n");
    const int file = ::open(path.c_str(), O_WRONLY | O_APPEND);
    REQUIRE(file >= 0);
    write_whole_file("/dev/fd/" + std::to_string(file), "second\n");
    ::close(file);
    CHECK(folder.read("log") == "first\nsecond\n");
    CHECK(folder.entries() == 1);
}

TEST_CASE("an output is one run's at a time") {
    const TemporaryFolder folder;
    const std::string path = folder / "set.h5";
    {
        const OutputLock lock(path);
        CHECK_THAT(
            message_of<std::runtime_error>([&] { const OutputLock second(path); }),
            ContainsSubstring("another run is writing it, process " + std::to_string(::getpid())));
        const OutputLock other(folder / "other.h5");
        const OutputLock device("/dev/null"), nothing("-");
    }
    CHECK(folder.entries() == 0);
    const OutputLock again(path);
    CHECK(same_file(folder.path(), folder / "."));
    CHECK_FALSE(same_file(folder.path(), folder / "set.h5"));
    CHECK_THROWS_AS(OutputLock(folder / "no/set.h5"), std::runtime_error);
}
