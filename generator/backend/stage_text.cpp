#include "generator/backend/files.h"
#include "generator/backend/lowering.h"
#include "generator/spec/error.h"

#include <filesystem>
#include <fmt/format.h>
#include <unistd.h>

namespace attune {

namespace {

/// A file name of our own in the temporary folder, removed with everything that Halide derives from it.
class TemporaryFolder {
public:
    TemporaryFolder() {
        std::string name = (std::filesystem::temp_directory_path() / "attune-XXXXXX").string();
        if (!mkdtemp(name.data())) {
            throw Error({ErrorCode::input, "TMPDIR", name, "a folder that can be written", "set TMPDIR to one", "", 0, 0});
        }
        path = name;
    }
    ~TemporaryFolder() {
        std::error_code ignored;
        std::filesystem::remove_all(path, ignored);
    }
    TemporaryFolder(const TemporaryFolder &) = delete;
    std::filesystem::path path;
};

}  // namespace

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
    const std::string file = (folder.path / "stage").string();
    std::string text;
    for (TaskFunction function : task_functions(plan)) {
        try {
            ScheduledFunction scheduled = schedule_function(plan, function);
            scheduled.pipeline.compile_to({{output->second, file}}, scheduled.arguments, task_symbol(plan, function), halide_target(plan, {}));
        } catch (const Halide::Error &error) {
            throw Error({ErrorCode::internal, "Halide", "", error.what(), "please report this with the specification", "", 0, 0});
        }
        std::vector<char> bytes;
        read_file(file, bytes);
        text += fmt::format("# {}\n{}\n", task_symbol(plan, function), std::string(bytes.begin(), bytes.end()));
    }
    return text;
}

}  // namespace attune
