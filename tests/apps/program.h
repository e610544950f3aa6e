/// Runs the built programs the way a user does.
#pragma once

#include <signal.h>

#include <string>
#include <vector>

/// How a program ended, and what it said.
struct Outcome {
    int status = 0;  ///< exit status; 128 + signal where a signal ended it
    std::string out;
    std::string err;
};

/// Path of a program of the build.
std::string program_path(const std::string& program);

/// Runs `program` of the build, or another by its whole path.
Outcome run(const std::string& program, const std::vector<std::string>& arguments);

/// The same, with `number` sent once the file `wait_for` exists (at once where empty) and
/// `after_s` more seconds have passed.
Outcome run_and_signal(const std::string& program, const std::vector<std::string>& arguments,
                       int number, double after_s, const std::string& wait_for = "");

/// Whether programs can run as many processes here: built with MPI, and mpirun is there.
bool has_ranks();

/// Runs `program` of the build as so many processes.
Outcome run_ranks(int ranks, const std::string& program, const std::vector<std::string>& arguments);

/// Runs it with no file growing beyond `bytes`, a multiple of 1024, as on a disk that is full.
Outcome run_with_file_limit(int bytes, const std::string& program,
                            const std::vector<std::string>& arguments);

/// Requires: that status, nothing on standard output, and one line "program: ..." on standard error
/// that holds `words`.
void require_refused(const std::string& program, const std::vector<std::string>& arguments,
                     const std::string& words, int status = 2);

/// Requires that --help shows an example and --version the version.
void require_help_and_version(const std::string& program);

/// A folder of its own that goes away.
class Folder {
public:
    Folder();
    ~Folder();
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    std::string path(const std::string& name) const;
    std::size_t entries() const;  ///< files and folders in it

private:
    std::string path_;
};

bool exists(const std::string& path);
std::string read_text(const std::string& path);
/// Whether two files are equal; apart from CHECK, which would print them.
bool same_bytes(const std::string& a, const std::string& b);
void write_text(const std::string& path, const std::string& text);
std::vector<std::string> lines_of(const std::string& text);

/// Settings that make challenge-2021 curves of 64 points: quick, and still curves.
std::vector<std::string> short_challenge(std::vector<std::string> arguments);

/// Trains a model of short_challenge() for a second or so and writes it to `path`.
void train_tiny_model(const std::string& path);

/// Writes `count` curves of short_challenge() to `path`.
void generate_short(const std::string& path, int count, int seed);
