/// Data sets of any size, a few curves at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "nmrsim/dataset.h"

namespace nmrsim {

/// Curves first_index ... first_index + count - 1 of a seed, as generate_dataset() makes them.
struct CurveRange {
    std::uint64_t seed = 0;
    std::uint64_t first_index = 0;
    std::uint64_t count = 0;
};

/// One data set out of one file or many.
///
/// For one thread at a time: HDF5 as Debian builds it is not safe for two.
class DatasetReader {
public:
    /// Opens HDF5 data sets and manifests, whose curves follow each other in the order given. All
    /// must be of one experiment, with the same times and unknowns.
    ///
    /// Args: verify: whether a manifest's file is compared with its SHA-256 when it is first read;
    /// its size always is.
    /// Throws: InputError that names the file, here and from each read.
    explicit DatasetReader(const std::vector<std::string>& paths, bool verify = true);
    ~DatasetReader();
    DatasetReader(DatasetReader&&) noexcept;
    DatasetReader& operator=(DatasetReader&&) noexcept;

    const Dataset& description() const;  ///< of the first file, without curves
    std::size_t count() const;           ///< of curves, over all files
    /// Which curves of which seeds the files say that they hold, in their order; nothing of a file
    /// of another maker.
    std::vector<CurveRange> origin() const;
    bool labelled() const;                ///< whether the parameters of the first file are known
    std::size_t bytes_in_memory() const;  ///< of the whole set, were it read at once [bytes]

    /// Curves first ... first + count - 1, which must be there. The set's first_index is that of
    /// the first of them in its own file.
    Dataset rows(std::size_t first, std::size_t count) const;

private:
    struct Files;
    std::unique_ptr<Files> files_;
};

}  // namespace nmrsim
