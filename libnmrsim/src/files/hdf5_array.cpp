#include <algorithm>
#include <array>

#include "files/hdf5_reader.h"
#include "files/text_layout.h"
#include "nmrsim/numeric_array.h"

namespace nmrsim {

namespace {

/// "run3/echo" of "/run3/echo"; messages put the slash before it.
std::string inner_name(const std::string& name) {
    const std::size_t first = name.find_first_not_of('/');
    return first == name.npos ? "" : name.substr(first);
}

/// HDF5 asks for one link at a time.
bool exists(hid_t file, const std::string& name) {
    if (name.empty()) return false;
    for (std::size_t slash = name.find('/');; slash = name.find('/', slash + 1)) {
        if (H5Lexists(file, name.substr(0, slash).c_str(), H5P_DEFAULT) <= 0) return false;
        if (slash == name.npos) break;
    }
    return H5Oexists_by_name(file, name.c_str(), H5P_DEFAULT) > 0;
}

/// The type in memory of a complex number, where `type` is a compound of two reals.
Hdf5Handle complex_type(hid_t type) {
    Hdf5Handle none(H5I_INVALID_HID, H5Tclose);
    if (H5Tget_class(type) != H5T_COMPOUND || H5Tget_nmembers(type) != 2) return none;
    Hdf5Handle memory(H5Tcreate(H5T_COMPOUND, 2 * sizeof(double)), H5Tclose);
    for (unsigned part = 0; part < 2; ++part) {
        const Hdf5Handle member(H5Tget_member_type(type, part), H5Tclose);
        char* name = H5Tget_member_name(type, part);
        const bool real = H5Tget_class(member.id()) == H5T_FLOAT && name != nullptr;
        if (real) H5Tinsert(memory.id(), name, part * sizeof(double), H5T_NATIVE_DOUBLE);
        H5free_memory(name);
        if (!real) return none;
    }
    return memory;
}

std::string unit_of(const Hdf5Reader& reader, hid_t set) {
    for (const char* name : {"unit", "units"}) {
        if (H5Aexists(set, name) <= 0) continue;
        const Hdf5Handle attribute(H5Aopen(set, name, H5P_DEFAULT), H5Aclose);
        const Hdf5Handle type(H5Aget_type(attribute.id()), H5Tclose);
        if (H5Tget_class(type.id()) == H5T_STRING) return reader.text(set, name);
    }
    return "";
}

/// The data set that gives the numbers along the last dimension that has one; empty: none has.
std::string dimension_scale(hid_t file, hid_t set) {
    constexpr const char* kList = "DIMENSION_LIST";
    if (H5Aexists(set, kList) <= 0) return "";
    const Hdf5Handle list(H5Aopen(set, kList, H5P_DEFAULT), H5Aclose);
    const Hdf5Handle type(H5Aget_type(list.id()), H5Tclose);
    const Hdf5Handle space(H5Aget_space(list.id()), H5Sclose);
    const hssize_t dimensions = H5Sget_simple_extent_npoints(space.id());
    const Hdf5Handle base(H5Tget_super(type.id()), H5Tclose);
    if (H5Tget_class(type.id()) != H5T_VLEN || H5Tequal(base.id(), H5T_STD_REF_OBJ) <= 0 ||
        dimensions < 1 || dimensions > H5S_MAX_RANK) {
        return "";
    }
    std::vector<hvl_t> references(static_cast<std::size_t>(dimensions));
    if (H5Aread(list.id(), type.id(), references.data()) < 0) return "";
    std::string name;
    for (std::size_t d = references.size(); d-- > 0 && name.empty();) {
        if (references[d].len == 0) continue;
        const Hdf5Handle scale(H5Rdereference2(file, H5P_DEFAULT, H5R_OBJECT, references[d].p),
                               H5Oclose);
        std::array<char, 1024> path = {};
        if (scale.valid() && H5Iget_name(scale.id(), path.data(), path.size()) > 0) {
            name = path.data();
        }
    }
    H5Dvlen_reclaim(type.id(), space.id(), H5P_DEFAULT, references.data());
    return name;
}

/// Before others whose names mean times.
constexpr std::string_view kTimes = "time";

/// The data set beside `signal` whose name means times; empty where there is none.
std::string sibling_of_times(hid_t file, const std::string& group, const std::string& signal) {
    struct Search {
        std::string prefix, signal, found;
    } search{group.empty() ? "" : group + "/", signal, ""};
    const auto look = [](hid_t at, const char* name, const H5L_info_t*, void* data) -> herr_t {
        auto& so_far = *static_cast<Search*>(data);
        const std::string path = so_far.prefix + name;
        if (path == so_far.signal || !unit_of_time_name(name)) return 0;
        const Hdf5Handle set(H5Dopen2(at, name, H5P_DEFAULT), H5Dclose);
        if (set.valid() && (so_far.found.empty() || name == kTimes)) so_far.found = path;
        return 0;
    };
    hsize_t next = 0;
    const std::string folder = "/" + group;
    H5Literate_by_name(file, folder.c_str(), H5_INDEX_NAME, H5_ITER_INC, &next, look, &search,
                       H5P_DEFAULT);
    return search.found;
}

}  // namespace

NumericArray read_hdf5_array(const std::string& path, const std::string& full_name) {
    const QuietHdf5 quiet;
    const std::string name = inner_name(full_name);
    const Hdf5Reader reader(path);
    const Hdf5Handle file = reader.open();
    if (!exists(file.id(), name)) reader.fail(fmt::format("expected a data set /{}", name));
    const Hdf5Handle set(H5Dopen2(file.id(), name.c_str(), H5P_DEFAULT), H5Dclose);
    if (!set.valid()) {
        const Hdf5Handle group(H5Gopen2(file.id(), name.c_str(), H5P_DEFAULT), H5Gclose);
        reader.fail(group.valid()
                        ? fmt::format("expected a data set at /{}, found a group", name)
                        : fmt::format("/{} is damaged or was written by a newer HDF5 than {}.{}: "
                                      "h5repack --high=2 of the newer one rewrites it",
                                      name, H5_VERS_MAJOR, H5_VERS_MINOR));
    }
    const std::vector<hsize_t> extent = reader.dataset_shape(set.id());
    const Hdf5Handle type(H5Dget_type(set.id()), H5Tclose);
    const Hdf5Handle memory = complex_type(type.id());
    NumericArray array;
    array.place = fmt::format("{}:/{}", path, name);
    array.shape.assign(extent.begin(), extent.end());
    array.unit = unit_of(reader, set.id());
    array.complex = memory.valid();
    if (array.complex) {
        reader.append(set.id(), name.c_str(), extent, {}, memory.id(), 2, array.values);
    } else {
        reader.append(set.id(), name.c_str(), extent, {}, array.values);
    }
    return array;
}

std::string hdf5_times_of(const std::string& path, const std::string& name) {
    const QuietHdf5 quiet;
    const std::string inner = inner_name(name);
    const std::size_t slash = inner.rfind('/');
    const std::string group = slash == inner.npos ? "" : inner.substr(0, slash);
    const Hdf5Handle file = Hdf5Reader(path).open();
    if (!exists(file.id(), inner)) return "";  // reading it says so
    const std::string time = sibling_of_times(file.id(), group, inner);
    if (!time.empty()) return time;
    const Hdf5Handle set(H5Dopen2(file.id(), inner.c_str(), H5P_DEFAULT), H5Dclose);
    return set.valid() ? dimension_scale(file.id(), set.id()) : "";
}

}  // namespace nmrsim
