#include "toml_value.h"

#include <fmt/format.h>

#include <string_view>

namespace nmrpython {

namespace py = pybind11;

namespace {

std::string toml_text(std::string_view text) {
    std::string quoted = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') {
            quoted += fmt::format("\\{}", c);
        } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
            quoted += fmt::format("\\u{:04X}", static_cast<unsigned>(c));
        } else {
            quoted += c;
        }
    }
    return quoted + '"';
}

template <typename Items, typename Text>
std::string joined(const Items& items, const Text& text) {
    std::string all;
    for (const auto& item : items) all += (all.empty() ? "" : ", ") + text(item);
    return all;
}

}  // namespace

std::string toml_value(py::handle value) {
    if (py::isinstance<py::bool_>(value)) return value.cast<bool>() ? "true" : "false";
    if (py::isinstance<py::str>(value)) return toml_text(value.cast<std::string>());
    if (py::isinstance<py::int_>(value)) return py::str(value).cast<std::string>();
    if (py::isinstance<py::float_>(value)) return fmt::format("{}", value.cast<double>());
    if (py::isinstance<py::dict>(value)) {
        return "{" +
               joined(py::reinterpret_borrow<py::dict>(value),
                      [](const auto& item) {
                          return toml_text(py::str(item.first).cast<std::string>()) + " = " +
                                 toml_value(item.second);
                      }) +
               "}";
    }
    if (py::isinstance<py::list>(value) || py::isinstance<py::tuple>(value)) {
        return "[" +
               joined(py::reinterpret_borrow<py::sequence>(value),
                      [](const auto& item) { return toml_value(item); }) +
               "]";
    }
    // NumPy's numbers and arrays.
    if (py::hasattr(value, "tolist")) return toml_value(value.attr("tolist")());
    throw py::type_error(fmt::format("expected a bool, number, text, sequence or dict, got {}",
                                     py::str(py::type::of(value)).cast<std::string>()));
}

}  // namespace nmrpython
