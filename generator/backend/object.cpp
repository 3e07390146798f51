#include "generator/backend/object.h"
#include "generator/backend/llvm_code.h"
#include "generator/spec/error.h"

#include <llvm/AsmParser/Parser.h>
#include <llvm/IR/LLVMContext.h>
#include <llvm/IR/Module.h>
#include <llvm/ObjCopy/ConfigManager.h>
#include <llvm/ObjCopy/ObjCopy.h>
#include <llvm/Object/ObjectFile.h>
#include <llvm/Support/SourceMgr.h>
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

ObjectFile assemble_llvm(const std::string &text, const std::string &name, const char *triple) {
    llvm::LLVMContext context;
    llvm::SMDiagnostic diagnostic;
    std::unique_ptr<llvm::Module> module = llvm::parseAssemblyString(text, diagnostic, context);
    if (!module)
        fail(diagnostic.getMessage().str());
    module->setTargetTriple(llvm::Triple(triple));
    const char *baseline = module->getTargetTriple().isAArch64() ? "generic" : "x86-64";
    const auto machine = target_machine(*module, baseline, "", llvm::CodeGenOptLevel::Default);
    return {name, emit_code(*module, *machine, llvm::CodeGenFileType::ObjectFile)};
}

}  // namespace attune
