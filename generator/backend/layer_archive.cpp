#include "generator/backend/archive.h"
#include "generator/backend/device_kernel.h"
#include "generator/backend/files.h"
#include "generator/backend/projection_kernel.h"

#include <filesystem>
#include <nlohmann/json.hpp>

namespace attune {

namespace {

using Json = nlohmann::ordered_json;

std::string base_path(const std::string &directory, const std::string &name) {
    return (std::filesystem::path(directory) / name).string();
}

/// Descriptor, then variants.
std::vector<ObjectFile> projection_objects(const ProjectionSpec &spec, const std::vector<CompiledProjection> &variants) {
    std::vector<ObjectFile> objects = {projection_descriptor(spec, variants)};
    for (const CompiledProjection &variant : variants)
        objects.insert(objects.end(), variant.objects.begin(), variant.objects.end());
    return objects;
}

Json projection_json(const ProjectionSpec &spec, const std::vector<CompiledProjection> &variants) {
    Json json = {{"name", spec.name},
                 {"id", spec.id()},
                 {"dtype", dtype_name(spec.dtype)},
                 {"in_features", spec.in_features},
                 {"out_features", spec.out_features},
                 {"bias", spec.bias},
                 {"activation", activation_name(spec.activation)},
                 {"flops", "2 * in_features * out_features * rows"},
                 {"variants", Json::array()}};
    for (const CompiledProjection &variant : variants) {
        Json parameters = Json::object();
        for (const auto &[name, value] : variant.plan.parameters)
            parameters[name] = value;
        json["variants"].push_back({{"target", variant.plan.target->name},
                                    {"schedule", "cpu_projection"},
                                    {"parameters", parameters},
                                    {"per_thread_bytes", variant.sizes.scratch_bytes}});
    }
    return json;
}

std::string with_versions(Json json) {
    json["attune"] = ATTUNE_VERSION;
    json["halide"] = halide_version();
    json["llvm"] = llvm_version();
    return json.dump(2) + "\n";
}

}  // namespace

std::string projection_metadata(const ProjectionSpec &spec, const std::vector<CompiledProjection> &variants) {
    Json json = {{"schema", 1}, {"kind", "projection"}};
    json.update(projection_json(spec, variants));
    return with_versions(json);
}

std::vector<std::string> build_projection(const ProjectionSpec &spec, const std::string &directory) {
    make_output_folder(directory);
    const std::vector<CompiledProjection> variants = compile_projection_variants(spec);
    return write_library(base_path(directory, spec.name), projection_header(spec), projection_metadata(spec, variants),
                         projection_objects(spec, variants));
}

std::vector<std::string> build_layer(const LayerSpec &spec, const std::string &directory) {
    make_output_folder(directory);
    std::vector<ProjectionSpec> projections = {spec.token_projection(), spec.output_projection()};
    if (spec.is_cross())
        projections.insert(projections.begin() + 1, spec.context_projection());
    std::vector<CompiledVariant> variants = compile_cpu_variants(spec.attention);
    const char *triple = variants.empty() ? x86_64_triple : variants.front().plan.target->triple;
    std::vector<ObjectFile> objects = {layer_descriptor(spec, triple)};
    std::vector<std::string> headers;
    auto write_header = [&](const std::string &name, const std::string &text) {
        headers.push_back(base_path(directory, name) + ".h");
        write_file_if_changed(headers.back(), {text.begin(), text.end()});
    };
    Json json = {{"schema", 1},
                 {"kind", "layer"},
                 {"name", spec.name},
                 {"d_model", spec.d_model},
                 {"d_context", spec.d_context},
                 {"heads", spec.heads},
                 {"kv_heads", spec.kv_heads},
                 {"bias", spec.bias},
                 {"output_bias", spec.output_bias},
                 {"qk_norm_eps", spec.qk_norm_eps},
                 {"rope", rope_text(spec.rope, "")},
                 {"projections", Json::array()}};
    for (const ProjectionSpec &projection : projections) {
        const std::vector<CompiledProjection> variants = compile_projection_variants(projection);
        for (ObjectFile &object : projection_objects(projection, variants))
            objects.push_back(std::move(object));
        json["projections"].push_back(projection_json(projection, variants));
        write_header(projection.name, projection_header(projection));
    }
    const std::string metadata = kernel_metadata(spec.attention, variants, {});
    json["attention"] = Json::parse(metadata);
    objects.push_back(kernel_descriptor(spec.attention, variants, {}, metadata));
    for (CompiledVariant &variant : variants)
        for (ObjectFile &object : variant.objects)
            objects.push_back(std::move(object));
    write_header(spec.attention.name, kernel_header(spec.attention, variants));
    std::vector<std::string> files = write_library(base_path(directory, spec.name), layer_header(spec), with_versions(json), objects);
    files.insert(files.end(), headers.begin(), headers.end());
    return files;
}

}  // namespace attune
