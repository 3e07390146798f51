#pragma once
#include "generator/backend/kernel.h"

namespace attune {

/// The object with every symbol that begins with `from` renamed to begin with `to`. Halide's runtime names (halide_malloc) become
/// Attune's (attune_malloc), so that an application's own Halide is never touched.
ObjectFile rename_symbols(const ObjectFile &object, const std::string &from, const std::string &to);

/// Compiles LLVM assembly to an object for a baseline CPU of the triple, position independent.
ObjectFile assemble_llvm(const std::string &text, const std::string &name, const char *triple = x86_64_triple);

}  // namespace attune
