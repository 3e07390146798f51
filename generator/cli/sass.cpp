#include "generator/cli/sass.h"

#include "generator/backend/files.h"
#include "generator/cli/run_program.h"
#include "generator/spec/error.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fmt/format.h>
#include <regex>

namespace attune::cli {
namespace {

struct Tool {
    const char *name, *variable, *elsewhere, *package;
};
constexpr Tool ptxas = {"ptxas", "ATTUNE_PTXAS", "/usr/local/cuda/bin/ptxas", "nvidia-cuda-nvcc-cu12"},
               nvdisasm = {"nvdisasm", "ATTUNE_NVDISASM", "/usr/local/cuda/bin/nvdisasm", "nvidia-cuda-nvdisasm"};

[[noreturn]] void refuse_missing(const Tool &tool, const std::string &program) {
    throw Error({.code = ErrorCode::target,
                 .argument = tool.variable,
                 .value = program,
                 .expected = "a program of NVIDIA's CUDA toolkit, for --stage sass",
                 .cure = fmt::format("install it (pip install {}), and put it on PATH or its path into {}", tool.package, tool.variable),
                 .problem = program + " is not found"});
}

ProgramResult run_tool(const Tool &tool, std::vector<std::string> arguments) {
    const char *named = std::getenv(tool.variable);
    const bool is_named = named && *named;
    arguments.insert(arguments.begin(), is_named ? named : tool.name);
    ProgramResult result = run_program(arguments);
    if (result.start_error == ENOENT && !is_named) {
        arguments[0] = tool.elsewhere;
        result = run_program(arguments);
    }
    if (result.start_error != 0)
        refuse_missing(tool, is_named ? named : tool.name);
    return result;
}

/// The largest number that stands before or behind `pattern`'s words, 0 where there is none.
int largest(const std::string &text, const char *pattern) {
    int most = 0;
    const std::regex expression(pattern);
    for (std::sregex_iterator match(text.begin(), text.end(), expression), end; match != end; ++match)
        most = std::max(most, std::stoi((*match)[1]));
    return most;
}

}  // namespace

Sass assemble_sass(const std::string &ptx, const std::string &architecture) {
    const TemporaryFolder folder;
    const std::string source = folder.path + "/kernel.ptx", code = folder.path + "/kernel.cubin";
    write_file(source, {ptx.begin(), ptx.end()});
    const ProgramResult assembled = run_tool(ptxas, {"-arch", architecture, "-v", source, "-o", code});
    if (!assembled.succeeded())
        throw Error({.argument = "--arch",
                     .value = architecture,
                     .expected = "an architecture for which ptxas assembles the kernel",
                     .cure = "ptxas says: " + (assembled.messages.empty() ? assembled.output : assembled.messages)});
    const ProgramResult disassembled = run_tool(nvdisasm, {"-c", code});
    if (!disassembled.succeeded())
        throw internal_error("nvdisasm", disassembled.messages);
    Sass sass;
    sass.listing = disassembled.output;
    sass.loops = innermost_product_loops(sass.listing);
    sass.registers = largest(assembled.messages, R"(Used (\d+) registers)");
    sass.spilled_bytes = largest(assembled.messages, R"((\d+) bytes spill stores)");
    sass.static_shared_bytes = largest(assembled.messages, R"((\d+) bytes smem)");
    return sass;
}

}  // namespace attune::cli
