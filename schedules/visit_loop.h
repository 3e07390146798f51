#pragma once

namespace attune {

/// What the names of the loops start with whose turns ask memory ahead (attune/kernel.h: attune_ask_ahead).
constexpr const char *visit_loop = "visit";
/// Functions that ask and contract in matrix tiles ask there too, once in so many products.
constexpr int products_of_ask = 2;          ///< of decode
constexpr int products_of_partial_ask = 4;  ///< of partial chunks; whole ones do not ask there

}  // namespace attune
