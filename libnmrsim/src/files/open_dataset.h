/// A data set's file that is read a few curves at a time.
#pragma once

#include <memory>
#include <string>

#include "nmrsim/dataset.h"

namespace nmrsim {

class OpenDataset {
public:
    /// Reads all but the curves and checks that shapes and types agree with each other and with the
    /// file's size.
    ///
    /// Throws: InputError, as read_dataset().
    explicit OpenDataset(const std::string& path);
    ~OpenDataset();

    const Dataset& description() const { return description_; }  ///< without curves
    std::size_t count() const { return count_; }
    bool labelled() const { return labelled_; }  ///< whether parameters are known

    /// Appends curves first ... first + count - 1 to those of `to`.
    /// Throws: InputError where they cannot be read or are not finite.
    void read(std::size_t first, std::size_t count, Dataset& to) const;

private:
    struct Sets;
    std::unique_ptr<Sets> sets_;
    Dataset description_;
    std::size_t count_ = 0;
    bool labelled_ = false;
};

}  // namespace nmrsim
