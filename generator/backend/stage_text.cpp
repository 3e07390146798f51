#include "generator/backend/files.h"
#include "generator/backend/lowering.h"
#include "generator/spec/error.h"

#include <fmt/format.h>
#include <map>

namespace attune {

std::string kernel_stage_text(const KernelPlan &plan, const std::string &stage) {
    using Halide::OutputFileType;
    static const std::map<std::string, OutputFileType> outputs = {{"algorithm", OutputFileType::conceptual_stmt},
                                                                  {"schedule", OutputFileType::stmt},
                                                                  {"llvm", OutputFileType::llvm_assembly},
                                                                  {"asm", OutputFileType::assembly}};
    const auto output = outputs.find(stage);
    if (output == outputs.end()) {
        throw Error({ErrorCode::usage, "--stage", stage, "plan, algorithm, schedule, llvm or asm", "see attune explain --help", "", 0, 0});
    }
    const TemporaryFolder folder;
    const std::string file = folder.path + "/stage";
    std::string text;
    for (TaskFunction function : task_functions(plan)) {
        ScheduledFunction scheduled = schedule_function(plan, function, stage != "algorithm");
        scheduled.pipeline.compile_to({{output->second, file}}, scheduled.arguments, task_symbol(plan, function), halide_target(plan, {}));
        std::vector<char> bytes;
        read_file(file, bytes);
        text += fmt::format("# {}\n{}\n", task_symbol(plan, function), std::string(bytes.begin(), bytes.end()));
    }
    return text;
}

}  // namespace attune
