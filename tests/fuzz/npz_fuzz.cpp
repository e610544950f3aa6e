// Arrays in NumPy's .npz format. The first byte chooses what the user says of them.
#include "fuzz.h"
#include "nmrsim/measured_curves.h"
#include "nmrsim/numeric_array.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::string path = fuzz::write_file("input.npz", fuzz::text_of(data, size).substr(1));
    fuzz::answers([&] {
        const std::vector<std::string> names = nmrsim::npz_names(path);
        for (std::size_t i = 0; i < names.size() && i < 4; ++i) {
            fuzz::answers([&] { nmrsim::read_npz(path, names[i]); });
        }
    });
    nmrsim::CurveFormat format;
    if (data[0] & 1) format.dwell = 0.5;
    if (data[0] & 2) format.columns = {{"re", "re"}, {"im", "im"}};
    fuzz::answers([&] {
        const nmrsim::MeasuredCurves curves = nmrsim::read_measured_curves(path, format);
        fuzz::require(
            curves.count() > 0 && fuzz::finite(curves.time_us) && fuzz::finite(curves.signal),
            "curves have finite numbers");
    });
    return 0;
}
