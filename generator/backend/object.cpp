#include "generator/backend/object.h"
#include "generator/spec/error.h"

#include <llvm/AsmParser/Parser.h>
#include <llvm/IR/LLVMContext.h>
#include <llvm/IR/LegacyPassManager.h>
#include <llvm/IR/Module.h>
#include <llvm/MC/TargetRegistry.h>
#include <llvm/ObjCopy/ConfigManager.h>
#include <llvm/ObjCopy/ObjCopy.h>
#include <llvm/Object/ObjectFile.h>
#include <llvm/Support/SourceMgr.h>
#include <llvm/Support/TargetSelect.h>
#include <llvm/Target/TargetMachine.h>
#include <llvm/TargetParser/Triple.h>

#include <deque>

namespace attune {

namespace {

[[noreturn]] void fail(const std::string &what) {
    throw internal_error("object", what);
}

}  // namespace

ObjectFile rename_symbols(const ObjectFile &object, const std::string &from, const std::string &to) {
    const llvm::StringRef bytes(object.bytes.data(), object.bytes.size());
    auto parsed = llvm::object::ObjectFile::createObjectFile(llvm::MemoryBufferRef(bytes, object.name));
    if (!parsed)
        fail(llvm::toString(parsed.takeError()));
    llvm::objcopy::ConfigManager config;
    std::deque<std::string> names;  // the map refers to them
    for (const llvm::object::SymbolRef &symbol : (*parsed)->symbols()) {
        auto name = symbol.getName();
        if (!name)
            fail(llvm::toString(name.takeError()));
        if (name->starts_with(from)) {
            config.Common.SymbolsToRename[*name] = names.emplace_back(to + name->substr(from.size()).str());
        }
    }
    llvm::SmallVector<char, 0> output;
    llvm::raw_svector_ostream stream(output);
    if (llvm::Error error = llvm::objcopy::executeObjcopyOnBinary(config, **parsed, stream))
        fail(llvm::toString(std::move(error)));
    return {object.name, {output.begin(), output.end()}};
}

ObjectFile assemble_llvm(const std::string &text, const std::string &name) {
    static const bool initialised = [] {
        llvm::InitializeNativeTarget();
        llvm::InitializeNativeTargetAsmPrinter();
        return true;
    }();
    (void)initialised;
    llvm::LLVMContext context;
    llvm::SMDiagnostic diagnostic;
    std::unique_ptr<llvm::Module> module = llvm::parseAssemblyString(text, diagnostic, context);
    if (!module)
        fail(diagnostic.getMessage().str());
    const llvm::Triple triple("x86_64-unknown-linux-gnu");
    std::string error;
    const llvm::Target *target = llvm::TargetRegistry::lookupTarget(triple, error);
    if (!target)
        fail(error);
    std::unique_ptr<llvm::TargetMachine> machine(
        target->createTargetMachine(triple, "x86-64", "", llvm::TargetOptions(), llvm::Reloc::PIC_));
    module->setTargetTriple(triple);
    module->setDataLayout(machine->createDataLayout());
    llvm::SmallVector<char, 0> output;
    llvm::raw_svector_ostream stream(output);
    llvm::legacy::PassManager passes;
    if (machine->addPassesToEmitFile(passes, stream, nullptr, llvm::CodeGenFileType::ObjectFile))
        fail("no object emitter");
    passes.run(*module);
    return {name, {output.begin(), output.end()}};
}

}  // namespace attune
