#include "generator/backend/archive.h"
#include "generator/backend/device_kernel.h"
#include "generator/backend/files.h"
#include "generator/spec/error.h"

#include <llvm/Object/ArchiveWriter.h>
#include <llvm/Support/MemoryBuffer.h>

#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace attune {

std::vector<char> archive_bytes(const std::vector<ObjectFile> &objects) {
    std::vector<std::unique_ptr<llvm::MemoryBuffer>> buffers;
    std::vector<llvm::NewArchiveMember> members;
    for (const ObjectFile &object : objects) {
        buffers.push_back(llvm::MemoryBuffer::getMemBufferCopy(llvm::StringRef(object.bytes.data(), object.bytes.size()), object.name));
        members.emplace_back(buffers.back()->getMemBufferRef());
        members.back().MemberName = object.name;
    }
    auto archive =
        llvm::writeArchiveToBuffer(members, llvm::SymtabWritingMode::NormalSymtab, llvm::object::Archive::K_GNU, /*Deterministic=*/true,
                                   /*Thin=*/false);
    if (!archive) {
        throw internal_error("archive", llvm::toString(archive.takeError()));
    }
    return {(*archive)->getBufferStart(), (*archive)->getBufferEnd()};
}

void make_output_folder(const std::string &directory) {
    std::error_code failure;
    std::filesystem::create_directories(directory, failure);
    if (failure)
        throw Error({ErrorCode::input, "output directory", directory, "a folder that can be created (" + failure.message() + ")",
                     "give another with -o", "", 0, 0});
}

std::vector<std::string> write_library(const std::string &base, const std::string &header, const std::string &metadata,
                                       const std::vector<ObjectFile> &objects) {
    write_file_if_changed(base + ".h", {header.begin(), header.end()});
    write_file_if_changed(base + ".json", {metadata.begin(), metadata.end()});
    write_file_if_changed(base + ".a", archive_bytes(objects));
    return {base + ".a", base + ".h", base + ".json"};
}

namespace {

bool has_variant(const AttentionSpec &spec, const CpuTarget &target) {
    return std::find(spec.targets.begin(), spec.targets.end(), target.name) != spec.targets.end() && target.serves(spec.types());
}

/// A library without a kernel would be found out by its callers alone.
void refuse_no_target(const AttentionSpec &spec) {
    const auto &targets = cpu_targets();
    if (spec.device_targets.empty() && std::none_of(targets.begin(), targets.end(), [&](const auto &t) { return has_variant(spec, t); }))
        throw Error({.code = ErrorCode::target,
                     .argument = "targets.cpu",
                     .value = fmt::format("{}", fmt::join(spec.targets, ", ")),
                     .expected = fmt::format("a target for dtype {} with products of {} among them", dtype_name(spec.dtype),
                                             compute_dtype_name(spec.compute_dtype)),
                     .cure = "add avx512, avx2 or sse41, or write auto"});
}

}  // namespace

std::vector<CompiledVariant> compile_cpu_variants(const AttentionSpec &spec, const std::map<std::string, TunedSchedule> &tuned) {
    std::vector<CompiledVariant> variants;
    for (const CpuTarget &target : cpu_targets()) {  // best first: the order in which the dispatcher tries them
        if (has_variant(spec, target)) {
            const auto row = tuned.find(target.name);
            const bool is_tuned = row != tuned.end();
            for (KernelPlan &plan : is_tuned ? plan_schedules(spec, target, row->second.parameters, row->second.rules)
                                             : plan_schedules(spec, target, {}, {})) {
                if (is_tuned)
                    plan.tuned = row->second.source;
                variants.push_back(compile_variant(plan));
            }
        }
    }
    return variants;
}

std::vector<std::string> build_kernel(const AttentionSpec &spec, const std::string &directory,
                                      const std::map<std::string, TunedSchedule> &tuned) {
    refuse_no_target(spec);
    make_output_folder(directory);
    std::vector<CompiledVariant> variants = compile_cpu_variants(spec, tuned);
    const std::vector<CompiledDeviceVariant> device_variants = compile_device_variants(spec);
    const std::string metadata = kernel_metadata(spec, variants, device_variants), header = kernel_header(spec, variants);
    std::vector<ObjectFile> objects = {kernel_descriptor(spec, variants, device_variants, metadata)};
    for (CompiledVariant &variant : variants) {
        for (ObjectFile &object : variant.objects)
            objects.push_back(std::move(object));
    }
    const std::string base = (std::filesystem::path(directory) / spec.name).string();
    std::vector<std::string> sources;
    for (const CompiledDeviceVariant &variant : device_variants) {
        objects.insert(objects.end(), variant.objects.begin(), variant.objects.end());
        if (!variant.objects.empty())
            continue;
        sources.push_back(fmt::format("{}_{}.{}", base, variant.plan.target->name, variant.plan.target->file_ending));
        write_file_if_changed(sources.back(), {variant.device_code.begin(), variant.device_code.end()});
    }
    std::vector<std::string> files = write_library(base, header, metadata, objects);
    files.insert(files.end(), sources.begin(), sources.end());
    return files;
}

}  // namespace attune
