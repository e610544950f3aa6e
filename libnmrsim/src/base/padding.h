/// How arrays are padded.
#pragma once

namespace nmrsim {

/// Arrays of sites are padded with zeros to a multiple of this, and aligned to 64 bytes.
inline constexpr long kLatticePadding = 16;

}  // namespace nmrsim
