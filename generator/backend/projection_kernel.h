#pragma once
#include "attune/layer_kernel.h"
#include "generator/backend/kernel.h"
#include "generator/spec/layer_spec.h"

namespace attune {

/// What the generator decided for a projection on a target.
struct ProjectionPlan {
    ProjectionSpec spec;
    const CpuTarget *target = nullptr;
    ScheduleParameters parameters;

    std::string symbol(bool of_one_row = false) const;  ///< "minilm_up__avx2_project", "minilm_up__avx2_project_row"
};
/// Throws Error(usage) for parameters that are illegal or unknown.
ProjectionPlan plan_projection(const ProjectionSpec &spec, const CpuTarget &target, const ScheduleParameters &overrides = {});

/// A variant: its objects, of project and maybe of project_row, and what the descriptor must say of it.
struct CompiledProjection {
    ProjectionPlan plan;
    std::vector<ObjectFile> objects;
    attune_projection_variant sizes{};  ///< its pointers are null here
};
CompiledProjection compile_projection(const ProjectionPlan &plan, const CompileOptions &options = {});
/// For all targets of the specification whose code is their own, best first.
std::vector<CompiledProjection> compile_projection_variants(const ProjectionSpec &spec);

/// Writes <directory>/<name>.a, .h and .json. Returns the paths.
std::vector<std::string> build_projection(const ProjectionSpec &spec, const std::string &directory);
/// The same of a layer, with headers of its parts beside its own.
std::vector<std::string> build_layer(const LayerSpec &spec, const std::string &directory);

/// The texts of a build.
std::string projection_header(const ProjectionSpec &spec);
std::string projection_metadata(const ProjectionSpec &spec, const std::vector<CompiledProjection> &variants);  ///< JSON
std::string layer_header(const LayerSpec &spec);
ObjectFile projection_descriptor(const ProjectionSpec &spec, const std::vector<CompiledProjection> &variants);
ObjectFile layer_descriptor(const LayerSpec &spec, const char *triple);

/// A projection loaded into this process; projection() can be run as long as this lives.
class LoadedProjection {
public:
    virtual ~LoadedProjection() = default;
    virtual const attune_projection *projection() const = 0;
};
std::unique_ptr<LoadedProjection> load_projection(const ProjectionSpec &spec, const CpuTarget &target, const CompileOptions &options = {});

/// The layer of parts that are loaded.
class LoadedLayer {
public:
    virtual ~LoadedLayer() = default;
    virtual const attune_layer *layer() const = 0;
    virtual const LoadedKernel &attention() const = 0;
};
/// Projections are of the target, or of the next that has its own for their type. Overrides are the attention's.
std::unique_ptr<LoadedLayer> load_layer(const LayerSpec &spec, const CpuTarget &target, const CompileOptions &options = {});

}  // namespace attune
