#pragma once

namespace attune {

/// What the names of the loops start with whose turns ask memory ahead (attune/kernel.h: attune_ask_ahead).
constexpr const char *visit_loop = "visit";

}  // namespace attune
