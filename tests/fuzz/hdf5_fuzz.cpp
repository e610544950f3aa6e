// An HDF5 file, as a data set and as a plain array. The last byte says which, so that the file
// begins as it should.
#include "fuzz.h"
#include "nmrsim/dataset_file.h"
#include "nmrsim/measured_curves.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const unsigned choice = data[size - 1];
    const std::string path = fuzz::write_file("input.h5", fuzz::text_of(data, size - 1));
    fuzz::answers([&] {
        if (choice % 2 == 0) {
            const nmrsim::Dataset set = nmrsim::read_dataset(path);
            fuzz::require(set.points() > 0 && fuzz::finite(set.signal) &&
                              fuzz::finite(set.parameters) && fuzz::finite(set.time_us),
                          "a data set has finite numbers");
            return;
        }
        nmrsim::CurveFormat format;
        if (choice & 2) format.dwell = 0.5;
        const nmrsim::MeasuredCurves curves =
            nmrsim::read_measured_curves(path + (choice & 4 ? ":/run/echo" : ":/signal"), format);
        fuzz::require(
            curves.count() > 0 && fuzz::finite(curves.time_us) && fuzz::finite(curves.signal),
            "curves have finite numbers");
    });
    return 0;
}
