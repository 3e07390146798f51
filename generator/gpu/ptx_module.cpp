#include "generator/gpu/ptx_module.h"

#include <cstring>

namespace attune {

using namespace Halide;

Module with_ptx(const Module &module, const std::function<std::string(const std::string &)> &changed) {
    const Buffer<> image = module.get_cuda_ptx_assembly_buffer();
    const auto *first = reinterpret_cast<const char *>(image.data());
    const std::string text = changed(std::string(first, strnlen(first, image.size_in_bytes())));
    Module result(module.name(), module.target());
    for (const Internal::LoweredFunc &function : module.functions())
        result.append(function);
    for (const Buffer<> &buffer : module.buffers()) {
        if (buffer.name() != image.name()) {
            result.append(buffer);
            continue;
        }
        Buffer<uint8_t> replaced(static_cast<int>(text.size()) + 1, buffer.name());
        std::memcpy(replaced.data(), text.c_str(), text.size() + 1);
        result.append(Buffer<>(replaced));
    }
    return result;
}

}  // namespace attune
