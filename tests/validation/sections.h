/// The subjects of docs/developer/validation-tables.md, each a section of tables.
#pragma once

#include "report.h"

namespace validation {

void validate_orders(Report& report);
void validate_steps(Report& report);
void validate_against_ode(Report& report);
void validate_magnus(Report& report);
void validate_conservation(Report& report);
void validate_closed_forms(Report& report);
void validate_derivatives(Report& report);
void validate_published_echoes(Report& report);

}  // namespace validation
