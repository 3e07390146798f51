#include "tests/support/halide_function.h"

#include "attune/kernel.h"
#include "generator/backend/code_generator.h"
#include "generator/backend/code_loader.h"
#include "tests/support/kernel_case.h"

#include <stdexcept>

namespace attune::test {

std::vector<uint8_t> run_function_bytes(Halide::Func f, const std::vector<Halide::Argument> &arguments,
                                        const std::vector<std::vector<float>> &arrays, const CpuTarget &target, size_t result_bytes) {
    const Halide::Target halide(std::string(target.halide) + "-no_runtime-user_context-no_asserts-no_bounds_query");
    const Halide::Module module = Halide::Pipeline(f).compile_to_module(arguments, "tested", halide, Halide::LinkageType::ExternalPlusArgv);
    const CodeLoader code({{"tested.o", generate_code(module, target, CodeForm::object, {.own_runtime = true, .emulate = !available_target(target.name)})}});

    std::vector<uint8_t> result(result_bytes), workspace(1 << 20);
    attune_scratch scratch{workspace.data(), workspace.size(), 0, nullptr}, *context = &scratch;
    const Halide::Type type = f.type();
    std::vector<attune_dimension> dims(arrays.size() + 1);
    std::vector<attune_buffer> buffers(arrays.size() + 1);
    std::vector<void *> argv = {&context};
    for (size_t k = 0; k < buffers.size(); k++) {
        const bool is_result = k == arrays.size();
        const Halide::Type of = is_result ? type : Halide::Float(32);
        dims[k] = {0, static_cast<int32_t>(is_result ? result_bytes / type.bytes() : arrays[k].size()), 1, 0};
        buffers[k].host = is_result ? result.data() : reinterpret_cast<uint8_t *>(const_cast<float *>(arrays[k].data()));
        buffers[k].type_code = static_cast<uint8_t>(of.code());
        buffers[k].type_bits = static_cast<uint8_t>(of.bits());
        buffers[k].type_lanes = 1;
        buffers[k].dimensions = 1;
        buffers[k].dim = &dims[k];
        argv.push_back(&buffers[k]);
    }
    if (code.find<int(void **)>("tested_argv")(argv.data()) != 0) throw std::runtime_error("the tested function failed");
    return result;
}

}  // namespace attune::test
