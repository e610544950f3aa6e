/// Objects as JSON, each of their fields named once: for_each_field(object, visit), which is found
/// beside the object's type, calls visit(name, field) for every one.
#pragma once

#include <concepts>
#include <nlohmann/json.hpp>
#include <type_traits>

namespace nmrinverse {

/// An object of this type, to be read or written.
template <class Object, class Type>
concept Of = std::same_as<std::remove_const_t<Object>, Type>;

/// Json: nlohmann::json or nlohmann::ordered_json.
template <class Json = nlohmann::json, class Object>
Json fields_to_json(const Object& object) {
    Json json;
    for_each_field(object, [&](const char* name, const auto& field) { json[name] = field; });
    return json;
}

/// Throws: nlohmann::json::exception for a field that is missing or of another type.
template <class Object>
void fields_from_json(const nlohmann::json& json, Object& object) {
    for_each_field(object, [&](const char* name, auto& field) { json.at(name).get_to(field); });
}

}  // namespace nmrinverse
