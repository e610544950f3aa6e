// A curve as text. The first byte chooses what the user says of its columns and times.
#include "fuzz.h"
#include "nmrsim/curve_file.h"
#include "nmrsim/measured_curves.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    nmrsim::CurveFormat format;
    const unsigned choice = data[0];
    if (choice & 1) format.dwell = 0.5;
    if (choice & 2) format.time_unit = "ns";
    if (choice & 4) format.columns = {{"re", "2"}, {"im", "3"}};
    if (choice & 8) format.columns = {{"re", "real"}, {"im", "imag"}};
    const std::string path = fuzz::write_file("input.csv", fuzz::text_of(data, size).substr(1));
    fuzz::answers([&] {
        const nmrsim::MeasuredCurves curves = nmrsim::read_measured_curves(path, format);
        fuzz::require(curves.count() == 1 && curves.signal.size() == 2 * curves.points() &&
                          fuzz::finite(curves.time_us) && fuzz::finite(curves.signal),
                      "a curve has finite numbers, two a time");
        fuzz::require(!nmrsim::axis_in_words(curves).empty(), "an axis has words");
    });
    fuzz::answers([&] {
        const nmrsim::Signal signal = nmrsim::read_curve(path, format);
        fuzz::require(signal.points() > 0 && fuzz::finite(signal.mz), "a curve has points");
        fuzz::write_file("written.csv", nmrsim::curve_to_csv(signal));
    });
    return 0;
}
