#include "generator/backend/code_generator.h"

#include "generator/backend/emulation.h"
#include "generator/backend/files.h"
#include "generator/backend/inlined_asks.h"
#include "generator/backend/llvm_code.h"
#include "generator/backend/marked_operations.h"
#include "generator/backend/matrix_tiles.h"
#include "generator/backend/transposes.h"
#include "generator/spec/error.h"

#include <llvm/Bitcode/BitcodeReader.h>
#include <llvm/IR/LLVMContext.h>
#include <llvm/IR/Verifier.h>
#include <llvm/Passes/PassBuilder.h>
#include <llvm/Target/TargetMachine.h>
#include <llvm/Transforms/InstCombine/InstCombine.h>
#include <llvm/Transforms/Scalar/DeadStoreElimination.h>
#include <llvm/Transforms/Scalar/EarlyCSE.h>
#include <llvm/Transforms/Scalar/GVN.h>
#include <llvm/Transforms/Scalar/LICM.h>
#include <llvm/Transforms/Scalar/LoopPassManager.h>
#include <llvm/Transforms/Scalar/SROA.h>
#include <llvm/Transforms/Scalar/SimplifyCFG.h>
#include <llvm/Transforms/Vectorize/VectorCombine.h>

namespace attune {

namespace {

[[noreturn]] void fail(const std::string &what) {
    throw internal_error("code generation", what);
}

std::unique_ptr<llvm::Module> read_bitcode(const Halide::Module &module, llvm::LLVMContext &context) {
    const TemporaryFolder folder;
    const std::string path = folder.path + "/kernel.bc";
    module.compile({{Halide::OutputFileType::bitcode, path}});
    std::vector<char> bytes;
    read_file(path, bytes);
    auto parsed = llvm::parseBitcodeFile(llvm::MemoryBufferRef(llvm::StringRef(bytes.data(), bytes.size()), module.name()), context);
    if (!parsed)
        fail(llvm::toString(parsed.takeError()));
    return std::move(*parsed);
}

std::string module_flag(const llvm::Module &module, const char *name) {
    const auto *flag = llvm::dyn_cast_or_null<llvm::MDString>(module.getModuleFlag(name));
    return flag ? flag->getString().str() : "";
}

/// What code is generated for.
struct Cpu {
    std::string name, tuned_for, features;
};

/// Halide's choice of CPU and features, and those of the target that Halide knows nothing of.
Cpu cpu_of(const llvm::Module &module, const CpuTarget &target) {
    Cpu cpu{module_flag(module, "halide_mcpu_target"), module_flag(module, "halide_mcpu_tune"), module_flag(module, "halide_mattrs")};
    if (cpu.tuned_for.empty())
        cpu.tuned_for = cpu.name;
    if (*target.llvm_features)
        cpu.features += std::string(cpu.features.empty() ? "" : ",") + target.llvm_features;
    return cpu;
}

std::unique_ptr<llvm::TargetMachine> retarget(llvm::Module &module, const Cpu &cpu) {
    for (llvm::Function &function : module) {
        if (function.isIntrinsic())
            continue;
        function.addFnAttr("target-cpu", cpu.name);
        function.addFnAttr("tune-cpu", cpu.tuned_for);
        function.addFnAttr("target-features", cpu.features);
    }
    return target_machine(module, cpu.name, cpu.features, llvm::CodeGenOptLevel::Aggressive);
}

/// Halide's optimiser has run; this cleans up after the marked operations (0.05 s where O3 takes 0.5 s, for the same code).
void optimise(llvm::Module &module, llvm::TargetMachine &machine) {
    llvm::LoopAnalysisManager loops;
    llvm::FunctionAnalysisManager functions;
    llvm::CGSCCAnalysisManager call_graph;
    llvm::ModuleAnalysisManager modules;
    llvm::PassBuilder builder(&machine);
    builder.registerModuleAnalyses(modules);
    builder.registerCGSCCAnalyses(call_graph);
    builder.registerFunctionAnalyses(functions);
    builder.registerLoopAnalyses(loops);
    builder.crossRegisterProxies(loops, functions, call_graph, modules);
    llvm::FunctionPassManager passes;
    auto hoist = [] { return llvm::createFunctionToLoopPassAdaptor(llvm::LICMPass(llvm::LICMOptions()), true); };
    passes.addPass(llvm::SROAPass(llvm::SROAOptions::ModifyCFG));
    passes.addPass(llvm::EarlyCSEPass(true));
    passes.addPass(llvm::InstCombinePass());
    passes.addPass(llvm::SimplifyCFGPass());
    passes.addPass(hoist());
    passes.addPass(llvm::GVNPass());
    passes.addPass(llvm::DSEPass());
    passes.addPass(llvm::VectorCombinePass());
    passes.addPass(llvm::InstCombinePass());
    passes.addPass(hoist());
    llvm::ModulePassManager all;
    all.addPass(llvm::createModuleToFunctionPassAdaptor(std::move(passes)));
    all.run(module, modules);
}

void own_the_runtime(llvm::Module &module) {
    for (llvm::Function &function : module)
        if (function.isDeclaration() && function.getName().starts_with("halide_"))
            function.setName("attune_" + function.getName().drop_front(std::string("halide_").size()));
}

/// Halide asks for the first level, where a projection's next panel would push out the present one (18 KB each, of 32): 384 to 1536 features, 14 rows,
/// weights from memory, 262 us; 226 where it waits in the second.
void ask_second_level(llvm::Module &module) {
    constexpr uint64_t second_level = 2;  // of 3, the first
    for (llvm::Function &function : module)
        if (function.getIntrinsicID() == llvm::Intrinsic::prefetch)
            for (llvm::User *user : function.users()) {
                auto *call = llvm::cast<llvm::CallInst>(user);
                call->setArgOperand(2, llvm::ConstantInt::get(call->getArgOperand(2)->getType(), second_level));
            }
}

std::vector<char> text_of(const llvm::Module &module) {
    llvm::SmallVector<char, 0> output;
    llvm::raw_svector_ostream stream(output);
    module.print(stream, nullptr);
    return {output.begin(), output.end()};
}

}  // namespace

bool has_llvm_backend() {
    return true;
}

std::vector<char> generate_code(const Halide::Module &halide_module, const CpuTarget &target, CodeForm form, const CodeOptions &options) {
    llvm::LLVMContext context;
    const std::unique_ptr<llvm::Module> module = read_bitcode(halide_module, context);
    lower_matrix_tiles(*module);
    lower_marked_operations(*module);
    if (options.emulate)
        emulate_instructions(*module);
    const Cpu any_with_avx2{"x86-64-v3", "x86-64-v3", ""};
    const std::unique_ptr<llvm::TargetMachine> machine = retarget(*module, options.emulate ? any_with_avx2 : cpu_of(*module, target));
    std::string problem;
    llvm::raw_string_ostream stream(problem);
    if (llvm::verifyModule(*module, &stream))
        fail(problem);
    ask_second_level(*module);
    if (options.inline_asks)
        inline_asks(*module);
    optimise(*module, *machine);
    if (target.vector >= 8)  // registers of 4 elements need no network
        build_transposes(*module, target.vector);
    if (options.own_runtime)
        own_the_runtime(*module);
    if (form == CodeForm::llvm_assembly)
        return text_of(*module);
    return emit_code(*module, *machine, form == CodeForm::object ? llvm::CodeGenFileType::ObjectFile : llvm::CodeGenFileType::AssemblyFile);
}

}  // namespace attune
