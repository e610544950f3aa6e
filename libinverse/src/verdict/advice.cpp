// What a verdict's reasons ask for.
#include <array>
#include <string_view>

#include "nmrinverse/fit_report.h"

namespace nmrinverse {
namespace {

/// A sentence for each word that reasons hold; the first that meets says it.
struct Advice {
    std::string_view word, sentence;
};

constexpr std::array<Advice, 12> kAdvices = {{
    {"not finite", "The curve holds numbers that are none: leave them out, or write nan for them."},
    {"clipped",
     "The receiver was overdriven: record with less gain, or leave the first samples out "
     "(--skip)."},
    {"conjugate", "Im has the other sign than the file says: fit with --conjugate."},
    {"times the noise given",
     "The noise given is more than the record holds: check it, or let it "
     "be found (--measured)."},
    {"times the expected one",
     "The experiment as described does not make this curve: check tau, "
     "the pulses and the line, or open more of them (--set "
     "prior.half_width_khz=[LOW,HIGH])."},
    {"chi-square",
     "The experiment as described does not make this curve to its noise: check tau, "
     "the pulses and the line, or open more of them (--set "
     "prior.gamma3_per_s=[LOW,HIGH])."},
    {"correlated",
     "What is left is no noise: something in the curve is not in the experiment, or "
     "the receiver's filter is."},
    {"fit as well",
     "Other values fit as well: an echo at another pulse angle or another tau tells "
     "them apart (--joint, --series)."},
    {"fits as well",
     "Another value fits as well: an echo at another pulse angle or another tau "
     "tells them apart (--joint, --series)."},
    {"edge of the prior", "The answer is at the end of what was allowed: widen the prior."},
    {"does not tell",
     "This echo does not tell an unknown: fix it if it is known, or add an echo at "
     "another pulse angle or tau."},
    {"time zero",
     "The clock may be off by more than was allowed: --fit-time-zero, or other times."},
}};

}  // namespace

std::string next_step(Verdict verdict, const std::string& reason) {
    if (verdict == Verdict::ok) return "Nothing speaks against these numbers.";
    for (const Advice& advice : kAdvices) {
        if (reason.find(advice.word) != std::string::npos) return std::string(advice.sentence);
    }
    return "Take these numbers with care: " + reason + ".";
}

}  // namespace nmrinverse
