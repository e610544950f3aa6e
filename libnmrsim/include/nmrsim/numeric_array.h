/// Arrays of numbers from files of other programs.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace nmrsim {

/// Real or complex numbers of any shape.
struct NumericArray {
    std::string place;               ///< "echoes.npz: signal", for messages
    std::vector<std::size_t> shape;  ///< of the numbers
    bool complex = false;
    std::string unit;            ///< where the file gives one
    std::vector<double> values;  ///< the last index fastest; complex: real and imaginary in turn

    std::string shape_text() const;  ///< "(3, 2, 856)"
};

/// Reads a .npy file: dtype <f4, <f8, <c8 or <c16, in C or Fortran order. Objects are not read.
///
/// Memory is taken only after the sizes have been found to agree with the file's.
/// Throws: InputError that names the file and what was expected.
/// Source: NEP 1, "A Simple File Format for NumPy Arrays", versions 1 to 3 of the format.
NumericArray read_npy(const std::string& path);

/// Names of the arrays in a .npz file, without .npy. Throws: InputError.
std::vector<std::string> npz_names(const std::string& path);

/// Reads one array of a .npz file, stored or deflated. Throws: InputError, also for a checksum that
/// does not agree.
NumericArray read_npz(const std::string& path, const std::string& name);

/// Reads a data set of real numbers, or of complex ones as h5py and Julia write them (a
/// compound of two), from an HDF5 file. Args: name: its path in the file, "/run3/echo".
///
/// Its attribute `unit` or `units`, where it is a text, is the array's unit. Throws: InputError.
NumericArray read_hdf5_array(const std::string& path, const std::string& name);

/// The data set that holds the times of a data set's points: `time` beside it, or the dimension
/// scale of its last dimension that has one; empty where there is neither.
std::string hdf5_times_of(const std::string& path, const std::string& name);

}  // namespace nmrsim
