/// Reading with a library that a damaged file can bring down: in a child process, so that a crash
/// there is one error here.
///
/// HDF5 1.10 does not check all that it reads; a byte that flipped can corrupt its memory or keep
/// it busy for ever. The child has its own memory, a limit to it and to its time, no standard error
/// to write to, and hands over numbers and texts through a pipe; what comes out is checked again.
/// It is no sandbox: a file made to take over the child has the rights of whoever reads it.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace nmrsim {

/// Held by whoever is inside HDF5 while a child could be made: the child would inherit its locks.
/// No recursive one: that knows its owner by a number that the child does not have.
std::mutex& hdf5_mutex();

/// The child's end.
class Answer {
public:
    explicit Answer(int pipe) : pipe_(pipe) {}

    void number(std::uint64_t value);
    void text(std::string_view value);
    /// Announces `bytes` of numbers, to be given by some calls of part().
    void begin_array(std::uint64_t bytes) { number(bytes); }
    void part(const void* bytes, std::size_t count);
    template <typename Number>
    void array(const std::vector<Number>& values) {
        begin_array(values.size() * sizeof(Number));
        part(values.data(), values.size() * sizeof(Number));
    }

private:
    friend class GuardedChild;
    void frame(char kind, const void* bytes, std::uint64_t count);
    void write_all(const void* bytes, std::size_t count);

    int pipe_;
};

/// The end that gets the answer. Throws: InputError for what the child found wrong with the file,
/// for a child that died of it, and for more than the file may take.
class Received {
public:
    Received(int pipe, pid_t child, std::string path, std::uint64_t allowance)
        : pipe_(pipe), child_(child), path_(std::move(path)), left_(allowance) {}

    std::uint64_t number();
    std::string text();
    template <typename Number>
    std::vector<Number> array() {
        const std::uint64_t bytes = number();
        check_array(bytes, sizeof(Number));
        std::vector<Number> values(bytes / sizeof(Number));
        fill(values.data(), bytes);
        return values;
    }
    [[noreturn]] void fail(const std::string& what) const;

private:
    friend class GuardedChild;
    void finish();
    void check_array(std::uint64_t bytes, std::size_t width);
    void take(std::uint64_t bytes);
    void fill(void* to, std::uint64_t bytes);
    std::uint64_t frame(char kind);
    void read_all(void* to, std::size_t count);
    [[noreturn]] void died();

    int pipe_;
    pid_t child_;
    std::string path_;
    std::uint64_t left_;  ///< [bytes]
    bool reaped_ = false;
};

/// Runs `read` in a child process and `take` on what it answers, here.
///
/// Args: allowance: how much memory the answer may take [bytes].
/// Throws: InputError and std::invalid_argument as `read` does in the child, InputError where the
/// child dies, takes too much memory or too long, std::runtime_error where none can be made.
void read_in_child(const std::string& path, std::uint64_t allowance,
                   const std::function<void(Answer&)>& read,
                   const std::function<void(Received&)>& take);

/// For fuzzing alone: `read` runs in this process from now on, in a thread of its own, so that its
/// coverage is seen and a sanitizer's report ends the run. So does each crash of HDF5's own.
void read_without_children();

}  // namespace nmrsim
