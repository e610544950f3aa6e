// An array in NumPy's .npy format.
#include "fuzz.h"
#include "nmrsim/measured_curves.h"
#include "nmrsim/numeric_array.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string path = fuzz::write_file("input.npy", fuzz::text_of(data, size));
    fuzz::answers([&] {
        const nmrsim::NumericArray array = nmrsim::read_npy(path);
        std::size_t total = array.complex ? 2 : 1;
        for (const std::size_t length : array.shape) total *= length;
        fuzz::require(array.values.size() == total, "an array has the numbers of its shape");
    });
    nmrsim::CurveFormat format;
    format.dwell = 0.5;
    for (const bool spaced : {false, true}) {
        fuzz::answers([&] {
            const auto curves =
                nmrsim::read_measured_curves(path, spaced ? format : nmrsim::CurveFormat{});
            fuzz::require(
                curves.count() > 0 && fuzz::finite(curves.time_us) && fuzz::finite(curves.signal),
                "curves have finite numbers");
        });
    }
    return 0;
}
