#include "sections.h"
namespace validation {
void validate_orders(Report&) {}
void validate_steps(Report&) {}
void validate_magnus(Report&) {}
void validate_conservation(Report&) {}
void validate_closed_forms(Report&) {}
void validate_derivatives(Report&) {}
void validate_published_echoes(Report&) {}
}  // namespace validation
