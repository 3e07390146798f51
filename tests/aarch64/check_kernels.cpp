/// For an aarch64 machine or an emulator of one: every kernel that is linked in, on awkward shapes, compared with attention in double. Prints a line of
/// JSON a kernel; ends with 1 where one is beyond its bound.
#include "attune/attention.h"
#include "generator/cli/awkward_shapes.h"
#include "generator/cli/check_shape.h"
#include "generator/cli/params.h"
#include "generator/cli/tune/linked_kernel.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdio>
#include <iostream>

using namespace attune;

namespace {

/// From the metadata in the kernel itself: schedule and specification.
KernelPlan plan_of(const nlohmann::json &metadata) {
    const nlohmann::json &variant = metadata.at("variants").at(0);
    KernelPlan plan;
    plan.spec = validate_spec(read_spec_text(metadata.at("toml").get<std::string>(), "the kernel's metadata"));
    plan.target = &cpu_target(variant.at("target").get<std::string>());
    for (const auto &[name, value] : variant.at("parameters").items())
        plan.parameters.emplace_back(name, value.get<int>());
    return plan;
}

/// Random tensors on the default arguments of the mask. Pairs are few, as an emulator is slow.
double worst_share(const cli::LinkedKernel &kernel, int &shapes) {
    constexpr int64_t most_pairs = 60000;
    double worst = 0;
    for (const cli::AwkwardShape &row : cli::awkward_shapes(kernel.plan())) {
        const cli::Shape &shape = row.shape;
        if (shape.batch * shape.num_heads * shape.seq_len_q * shape.seq_len_kv > most_pairs)
            continue;
        std::vector<cli::Argument> arguments;
        for (size_t i = 0; i < kernel.plan().spec.params.size(); i++)
            arguments.push_back(cli::default_argument(kernel.plan().spec, i, shape, 1));
        for (const InputKind kind : {InputKind::normal, InputKind::wide_20, InputKind::spike}) {
            worst = std::max(worst, cli::check_shape(kernel, shape, kind, 1, {kernel.plan().spec, arguments, {}}).worst());
            shapes++;
        }
    }
    return worst;
}

}  // namespace

int main() {
    bool ok = attune_kernel_count() > 0;
    for (size_t i = 0; i < attune_kernel_count(); i++) {
        const attune_kernel *kernel = attune_kernel_at(i);
        const attune_kernel_info *info = attune_kernel_describe(kernel);
        int shapes = 0;
        try {
            const double worst = worst_share({info->name, plan_of(nlohmann::json::parse(info->metadata))}, shapes);
            const nlohmann::json line = {{"kernel", info->name}, {"target", attune_kernel_target(kernel)}, {"shapes", shapes}, {"worst", worst}};
            std::cout << line << std::endl;
            ok = ok && worst <= 1 && shapes > 0;
        } catch (const std::exception &error) {
            std::fprintf(stderr, "%s: %s\n", info->name, error.what());
            ok = false;
        }
    }
    return ok ? 0 : 1;
}
