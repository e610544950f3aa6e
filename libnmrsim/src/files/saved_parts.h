/// What a run has made of a data set before all of it is there: files of their own, each whole, in
/// a folder beside the set.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "nmrsim/dataset.h"
#include "nmrsim/dataset_generation.h"

namespace nmrsim {

/// Which of the range's curves lie in which file, and the curves themselves.
class SavedParts {
public:
    /// Args: out: the set to be, train.h5; its parts lie in the folder train.part.
    /// description: of the set, without curves.
    SavedParts(const std::string& out, Dataset description, const IndexRange& range);

    const std::string& folder() const { return folder_; }

    /// Removes what an earlier run has left.
    void clear();

    /// Removes what killed processes have left half-written, and looks at the rest anew.
    /// Throws: InputError for a part of another set than this.
    void scan(bool tidy);

    std::size_t count() const;                ///< of the range's curves that are saved
    std::vector<IndexRange> missing() const;  ///< in order

    /// Writes curves as a file of their own, whole or not at all, and makes the folder for it.
    void save(const Dataset& curves);

    /// Saved curves from index `first` on, at most `most` and at least one.
    Dataset rows(std::uint64_t first, std::size_t most);

private:
    struct Part {
        IndexRange range;
        std::string path;
    };
    struct Open;

    /// Throws: InputError where the file is not a part of this set.
    void check(const std::string& path, const Dataset& found, std::size_t count) const;

    std::string folder_;
    Dataset description_;
    IndexRange range_;
    std::vector<Part> parts_;  ///< in order; none within another
    std::shared_ptr<Open> open_;
};

/// What the parts of `out` are called: train.h5 -> train.part, DIR/ -> DIR.part.
std::string parts_folder(const std::string& out);

}  // namespace nmrsim
