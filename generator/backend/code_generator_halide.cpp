// Instead of code_generator.cpp where Attune is built with ATTUNE_LLVM_BACKEND=OFF.
#include "generator/backend/code_generator.h"

#include "generator/backend/files.h"
#include "generator/backend/object.h"

namespace attune {

bool has_llvm_backend() {
    return false;
}

std::vector<char> generate_code(const Halide::Module &module, const CpuTarget &, CodeForm form, const CodeOptions &options) {
    using Halide::OutputFileType;
    const OutputFileType type = form == CodeForm::object     ? OutputFileType::object
                                : form == CodeForm::assembly ? OutputFileType::assembly
                                                             : OutputFileType::llvm_assembly;
    const TemporaryFolder folder;
    ObjectFile code{folder.path + "/kernel", {}};
    module.compile({{type, code.name}});
    read_file(code.name, code.bytes);
    return options.own_runtime && form == CodeForm::object ? rename_symbols(code, "halide_", "attune_").bytes : code.bytes;
}

}  // namespace attune
