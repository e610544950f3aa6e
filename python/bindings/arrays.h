/// Between C++ buffers and NumPy arrays.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstddef>
#include <span>
#include <utility>
#include <vector>

namespace nmrpython {

namespace py = pybind11;

using Shape = std::vector<py::ssize_t>;

inline py::ssize_t extent(std::size_t size) {
    return static_cast<py::ssize_t>(size);
}

/// An array of memory that `owner`, a Python object, holds and that lives as long as the array.
template <typename Number>
py::array_t<Number> view(const std::vector<Number>& values, Shape shape, const py::object& owner) {
    return py::array_t<Number>(std::move(shape), values.data(), owner);
}

/// An array that has taken the vector over; nothing is copied.
template <typename Number>
py::array_t<Number> taken(std::vector<Number> values, Shape shape) {
    auto* held = new std::vector<Number>(std::move(values));
    const py::capsule owner(held,
                            [](void* memory) { delete static_cast<std::vector<Number>*>(memory); });
    return py::array_t<Number>(std::move(shape), held->data(), owner);
}

/// What a function reads, C-contiguous and of this type: the caller's memory where it is both.
template <typename Number>
using Input = py::array_t<Number, py::array::c_style | py::array::forcecast>;

template <typename Number>
std::span<const Number> numbers(const Input<Number>& array) {
    return {array.data(), static_cast<std::size_t>(array.size())};
}

template <typename Number>
std::span<Number> numbers_of_new(py::array_t<Number>& array) {
    return {array.mutable_data(), static_cast<std::size_t>(array.size())};
}

}  // namespace nmrpython
