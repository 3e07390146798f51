#include "generator/backend/llvm_code.h"

#include "generator/spec/error.h"

#include <llvm/IR/LegacyPassManager.h>
#include <llvm/IR/Module.h>
#include <llvm/MC/TargetRegistry.h>
#include <llvm/Support/TargetSelect.h>

namespace attune {

void initialise_llvm() {
    static const bool initialised = [] {
        llvm::InitializeNativeTarget();
        llvm::InitializeNativeTargetAsmPrinter();
        LLVMInitializeAArch64TargetInfo();
        LLVMInitializeAArch64Target();
        LLVMInitializeAArch64TargetMC();
        LLVMInitializeAArch64AsmPrinter();
        return true;
    }();
    (void)initialised;
}

std::unique_ptr<llvm::TargetMachine> target_machine(llvm::Module &module, const std::string &cpu, const std::string &features,
                                                    llvm::CodeGenOptLevel level) {
    initialise_llvm();
    std::string error;
    const llvm::Target *target = llvm::TargetRegistry::lookupTarget(module.getTargetTriple(), error);
    if (!target)
        throw internal_error("LLVM target", error);
    std::unique_ptr<llvm::TargetMachine> machine(target->createTargetMachine(module.getTargetTriple(), cpu, features, llvm::TargetOptions(),
                                                                             llvm::Reloc::PIC_, std::nullopt, level));
    module.setDataLayout(machine->createDataLayout());
    return machine;
}

std::vector<char> emit_code(llvm::Module &module, llvm::TargetMachine &machine, llvm::CodeGenFileType type) {
    llvm::SmallVector<char, 0> output;
    llvm::raw_svector_ostream stream(output);
    llvm::legacy::PassManager passes;
    if (machine.addPassesToEmitFile(passes, stream, nullptr, type))
        throw internal_error("code generation", "no emitter");
    passes.run(module);
    return {output.begin(), output.end()};
}

}  // namespace attune
