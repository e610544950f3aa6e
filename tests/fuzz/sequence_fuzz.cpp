// A sequence as text.
#include "fuzz.h"
#include "nmrsim/sequence_text.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    nmrsim::ParsedSequence parsed;
    if (!fuzz::answers([&] { parsed = nmrsim::parse_sequence(fuzz::text_of(data, size)); })) {
        return 0;
    }
    if (!fuzz::answers([&] { parsed.sequence.validate(); }, true)) return 0;
    // Long trains take their time and tell nothing more.
    if (nmrsim::sequence_events(parsed.sequence).size() > 1000) return 0;
    const std::string text = nmrsim::sequence_to_text(parsed.sequence);
    if (text.empty()) return 0;  // acquire alone
    const std::string again = nmrsim::sequence_to_text(nmrsim::parse_sequence(text).sequence);
    fuzz::require(text == again, "a sequence reads back as it was written");
    return 0;
}
