#include "generator/backend/code_generator.h"
#include "generator/backend/files.h"
#include "generator/backend/lowering.h"
#include "generator/spec/error.h"

#include <fmt/format.h>

namespace attune {

namespace {

/// Halide's own texts go through a file.
std::string halide_text(const ScheduledFunction &scheduled, const std::string &symbol, const Halide::Target &target,
                        Halide::OutputFileType type) {
    const TemporaryFolder folder;
    const std::string file = folder.path + "/stage";
    Halide::Pipeline pipeline = scheduled.pipeline;
    pipeline.compile_to({{type, file}}, scheduled.arguments, symbol, target);
    std::vector<char> bytes;
    read_file(file, bytes);
    return {bytes.begin(), bytes.end()};
}

std::string code_text(const ScheduledFunction &scheduled, const std::string &symbol, const KernelPlan &plan, CodeForm form,
                      const CodeOptions &options) {
    Halide::Pipeline pipeline = scheduled.pipeline;
    const Halide::Module module =
        pipeline.compile_to_module(scheduled.arguments, symbol, halide_target(*plan.target, {}), Halide::LinkageType::ExternalPlusArgv);
    const std::vector<char> bytes = generate_code(module, *plan.target, form, options);
    return {bytes.begin(), bytes.end()};
}

}  // namespace

std::string kernel_stage_text(const KernelPlan &plan, const std::string &stage) {
    if (stage != "algorithm" && stage != "schedule" && stage != "llvm" && stage != "asm")
        throw Error({ErrorCode::usage, "--stage", stage, "plan, algorithm, schedule, llvm or asm", "see attune explain --help", "", 0, 0});
    std::string text;
    for (TaskFunction function : task_functions(plan)) {
        const ScheduledFunction scheduled = schedule_function(plan, function, {}, stage != "algorithm");
        const std::string symbol = task_symbol(plan, function);
        text += fmt::format("# {}\n", symbol);
        if (stage == "algorithm")
            text += halide_text(scheduled, symbol, halide_target(*plan.target, {}), Halide::OutputFileType::conceptual_stmt);
        else if (stage == "schedule")
            text += halide_text(scheduled, symbol, halide_target(*plan.target, {}), Halide::OutputFileType::stmt);
        else
            text += code_text(scheduled, symbol, plan, stage == "llvm" ? CodeForm::llvm_assembly : CodeForm::assembly,
                              {.inline_asks = asks_between_products(function)});
        text += "\n";
    }
    return text;
}

}  // namespace attune
