/// A data set's file that is read a few curves at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "files/binary_file.h"
#include "nmrsim/dataset.h"

namespace nmrsim {

/// What is not the curves is read, and checked, in a child process (guarded_read.h), which also
/// says where in the file the numbers begin. Where they lie there as this machine holds them,
/// one behind the other, as this library writes them, they are then read as plain bytes; otherwise
/// (compressed, in chunks, of another type) by a child again.
class OpenDataset {
public:
    /// Reads all but the curves and checks that shapes and types agree with each other and with the
    /// file's size.
    ///
    /// Throws: InputError, as read_dataset().
    explicit OpenDataset(const std::string& path);

    const Dataset& description() const { return description_; }  ///< without curves
    std::size_t count() const { return count_; }
    bool labelled() const { return labelled_; }  ///< whether parameters are known

    /// Appends curves first ... first + count - 1 to those of `to`.
    /// Throws: InputError where they cannot be read or are not finite.
    void read(std::size_t first, std::size_t count, Dataset& to) const;

private:
    std::string path_;
    Dataset description_;
    std::size_t count_ = 0;
    bool labelled_ = false;
    std::unique_ptr<BinaryFile> bytes_;  ///< empty where a child has to read the curves
    std::uint64_t signal_at_ = 0;        ///< in the file, where bytes_ is
    std::uint64_t parameters_at_ = 0;
};

}  // namespace nmrsim
