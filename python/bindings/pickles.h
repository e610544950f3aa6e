/// Plain structs as tuples, for pickle and copy.
#pragma once

#include <pybind11/eigen.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "nmrsim/prior.h"

namespace nmrpython {

namespace py = pybind11;

/// Numbers as bytes, for they may be many.
template <typename Number>
requires std::is_arithmetic_v<Number> py::object to_state(const std::vector<Number>& values) {
    return py::bytes(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(Number));
}

template <typename Value>
py::object to_state(const Value& value) {
    return py::cast(value);
}

template <typename Number>
requires std::is_arithmetic_v<Number>
void from_state(const py::handle& state, std::vector<Number>& values) {
    const std::string_view bytes = state.cast<std::string_view>();
    if (bytes.size() % sizeof(Number) != 0) throw py::value_error("pickle: damaged");
    values.resize(bytes.size() / sizeof(Number));
    if (!bytes.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
}

inline py::object to_state(const nmrsim::Prior& prior) {
    py::list all;
    for (const auto& range : prior) {
        all.append(py::make_tuple(range.name, range.low, range.high, range.choices));
    }
    return all;
}

inline void from_state(const py::handle& state, nmrsim::Prior& prior) {
    for (const auto& item : state.cast<py::list>()) {
        const auto range = item.cast<py::tuple>();
        prior.push_back({range[0].cast<std::string>(), range[1].cast<double>(),
                         range[2].cast<double>(), range[3].cast<std::vector<std::string>>()});
    }
}

template <typename Value>
void from_state(const py::handle& state, Value& value) {
    value = state.cast<Value>();
}

/// How a struct pickles that is these fields.
template <typename Object, typename... Fields>
auto pickled(Fields Object::*... fields) {
    return py::pickle(
        [=](const Object& object) { return py::make_tuple(to_state(object.*fields)...); },
        [=](const py::tuple& state) {
            if (state.size() != sizeof...(Fields)) throw py::value_error("pickle: damaged");
            Object object;
            std::size_t i = 0;
            (from_state(state[i++], object.*fields), ...);
            return object;
        });
}

}  // namespace nmrpython
