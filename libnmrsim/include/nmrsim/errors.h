/// What goes wrong, by whose fault.
///
/// `std::invalid_argument`: the caller's mistake, a value out of range. `InputError`: a file or a
/// text from outside says something that cannot be used. `std::runtime_error` otherwise: the
/// machine failed on the way (a full disk). Programs exit with 2 for the first two and 1 for the
/// last.
#pragma once

#include <stdexcept>
#include <string>

namespace nmrsim {

/// A file or text from outside cannot be used; the message says where and what was expected.
struct InputError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

}  // namespace nmrsim
