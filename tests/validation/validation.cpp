// The evidence of docs/developer/validation-tables.md: prints its tables as Markdown, and exits non-zero if a figure
// is out of its tolerance.
//
//     validation [SECTION ...]      all of them where none is named

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <string>
#include <vector>

#include "sections.h"

namespace {

struct Section {
    const char* name;
    void (*run)(validation::Report&);
};

constexpr Section kSections[] = {
    {"orders", validation::validate_orders},
    {"steps", validation::validate_steps},
    {"ode", validation::validate_against_ode},
    {"magnus", validation::validate_magnus},
    {"conservation", validation::validate_conservation},
    {"closed-forms", validation::validate_closed_forms},
    {"derivatives", validation::validate_derivatives},
    {"published-echoes", validation::validate_published_echoes},
};

}  // namespace

int main(int argc, char** argv) {
    const std::vector<std::string> wanted(argv + 1, argv + argc);
    for (const std::string& name : wanted) {
        if (std::none_of(std::begin(kSections), std::end(kSections),
                         [&](const Section& section) { return section.name == name; })) {
            fmt::print(stderr, "validation: unknown section {}; there are:", name);
            for (const Section& section : kSections) fmt::print(stderr, " {}", section.name);
            fmt::print(stderr, "\n");
            return 2;
        }
    }
    validation::Report report;
    try {
        for (const Section& section : kSections) {
            if (wanted.empty() ||
                std::find(wanted.begin(), wanted.end(), section.name) != wanted.end()) {
                section.run(report);
            }
        }
    } catch (const std::exception& error) {
        fmt::print(stderr, "validation: {}\n", error.what());
        return 2;
    }
    if (report.failures() > 0) {
        fmt::print(stderr, "validation: {} figures out of tolerance\n", report.failures());
        return 1;
    }
    return 0;
}
