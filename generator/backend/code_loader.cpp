#include "generator/backend/code_loader.h"
#include "generator/backend/llvm_code.h"
#include "generator/spec/error.h"

#include <llvm/ExecutionEngine/Orc/AbsoluteSymbols.h>
#include <llvm/ExecutionEngine/Orc/ExecutionUtils.h>
#include <llvm/ExecutionEngine/Orc/LLJIT.h>

namespace attune {

namespace {

template <typename T>
T checked(llvm::Expected<T> value, const char *step) {
    if (value)
        return std::move(*value);
    throw internal_error(step, llvm::toString(value.takeError()));
}

void checked(llvm::Error error, const char *step) {
    if (error)
        throw internal_error(step, llvm::toString(std::move(error)));
}

}  // namespace

struct CodeLoader::Linker {
    std::unique_ptr<llvm::orc::LLJIT> jit;
};

CodeLoader::CodeLoader(const std::vector<ObjectFile> &objects) : linker_(std::make_unique<Linker>()) {
    initialise_llvm();
    auto &jit = linker_->jit;
    jit = checked(llvm::orc::LLJITBuilder().create(), "create the JIT linker");
    auto &library = jit->getMainJITDylib();
    library.addGenerator(checked(llvm::orc::DynamicLibrarySearchGenerator::GetForCurrentProcess(jit->getDataLayout().getGlobalPrefix()),
                                 "find this process's symbols"));
    llvm::orc::SymbolMap runtime;
    auto define = [&](const char *name, void *address) {
        runtime[jit->mangleAndIntern(name)] = {llvm::orc::ExecutorAddr::fromPtr(address), llvm::JITSymbolFlags::Exported};
    };
    define("attune_malloc", reinterpret_cast<void *>(&attune_malloc));
    define("attune_free", reinterpret_cast<void *>(&attune_free));
    define("attune_ask_ahead", reinterpret_cast<void *>(&attune_ask_ahead));
    define("attune_copy_to_device", reinterpret_cast<void *>(&attune_copy_to_device));
    define("attune_device_malloc", reinterpret_cast<void *>(&attune_device_malloc));
    define("attune_device_free", reinterpret_cast<void *>(&attune_device_free));
    define("attune_cuda_initialize_kernels", reinterpret_cast<void *>(&attune_cuda_initialize_kernels));
    define("attune_cuda_finalize_kernels", reinterpret_cast<void *>(&attune_cuda_finalize_kernels));
    define("attune_cuda_run", reinterpret_cast<void *>(&attune_cuda_run));
    define("attune_cuda_device_interface", reinterpret_cast<void *>(&attune_cuda_device_interface));
    define("attune_opencl_initialize_kernels", reinterpret_cast<void *>(&attune_opencl_initialize_kernels));
    define("attune_opencl_finalize_kernels", reinterpret_cast<void *>(&attune_opencl_finalize_kernels));
    define("attune_opencl_run", reinterpret_cast<void *>(&attune_opencl_run));
    define("attune_opencl_device_interface", reinterpret_cast<void *>(&attune_opencl_device_interface));
    define("attune_vulkan_initialize_kernels", reinterpret_cast<void *>(&attune_vulkan_initialize_kernels));
    define("attune_vulkan_finalize_kernels", reinterpret_cast<void *>(&attune_vulkan_finalize_kernels));
    define("attune_vulkan_run", reinterpret_cast<void *>(&attune_vulkan_run));
    define("attune_vulkan_device_interface", reinterpret_cast<void *>(&attune_vulkan_device_interface));
    checked(library.define(llvm::orc::absoluteSymbols(std::move(runtime))), "define the runtime");
    for (const ObjectFile &object : objects)
        checked(jit->addObjectFile(
                    llvm::MemoryBuffer::getMemBufferCopy(llvm::StringRef(object.bytes.data(), object.bytes.size()), object.name)),
                "add an object");
}

CodeLoader::~CodeLoader() = default;

void *CodeLoader::address(const std::string &symbol) const {
    return checked(linker_->jit->lookup(symbol), "link the kernel").toPtr<void *>();
}

}  // namespace attune
