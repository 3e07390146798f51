#include "generator/backend/device_kernel.h"
#include "generator/backend/lowering.h"

#include <nlohmann/json.hpp>

namespace attune {

std::string kernel_metadata(const AttentionSpec &spec, const std::vector<CompiledVariant> &variants,
                            const std::vector<CompiledDeviceVariant> &device_variants) {
    using Json = nlohmann::ordered_json;
    Json json;
    json["schema"] = 1;
    json["name"] = spec.name;
    json["id"] = spec.id();
    json["spec"] = {{"dtype", dtype_name(spec.dtype)},
                    {"head_dim", spec.head_dim},
                    {"head_dim_v", spec.head_dim_v},
                    {"group", spec.group == 0 ? Json("any") : Json(spec.group)},
                    {"scale", spec.scale},
                    {"softmax_scale", spec.softmax_scale},
                    {"mask", spec.mask_text()},
                    {"score", spec.score_text()},
                    {"normalizer", normalizer_name(spec.normalizer)},
                    {"outputs", spec.lse ? Json({"out", "lse"}) : Json::array({"out"})},
                    {"phases", Json::array({spec.phase()})},
                    {"algorithm", algorithm_name(spec.algorithm)}};
    json["toml"] = spec_to_toml(spec);
    if (is_linear(spec))
        json["flops"] = "2 * head_dim * head_dim_v * (batch * num_heads * seq_len_q + batch * num_kv_heads * seq_len_kv)";
    else
        json["flops"] =
            "2 * visible_pairs * (head_dim + head_dim_v); visible_pairs = (q, kv) that the mask shows, summed over batch and heads";
    json["bytes"] = "element * (batch * num_heads * seq_len_q * (head_dim + head_dim_v) + batch * num_kv_heads * seq_len_kv * (head_dim + "
                    "head_dim_v)) + 4 * batch * num_heads * seq_len_q where lse is written";
    json["variants"] = Json::array();
    for (const CompiledVariant &variant : variants) {
        const KernelPlan &plan = variant.plan;
        Json parameters = Json::object();
        for (const auto &[name, value] : plan.parameters)
            parameters[name] = value;
        json["variants"].push_back(
            {{"kernel", plan.variant_name()},
             {"target", plan.target->name},
             {"algorithm", plan.algorithm},
             {"schedule", plan.schedule},
             {"parameters", parameters},
             {"reason", plan.reason},
             {"footprint_bytes", plan.footprint_bytes},
             {"footprint", plan.footprint_formula},
             {"workspace",
              {{"per_call_bytes", has_fixed_reference(plan.spec) ? "4 * batch * num_kv_heads * round_up(seq_len_kv, 16)" : "0"},
               {"per_thread_bytes", variant.sizes.scratch_bytes},
               {"per_thread_bytes_per_key", variant.sizes.scratch_bytes_per_key}}}});
        if (!plan.calls.is_any())
            json["variants"].back()["calls"] = {{"most_seq_len_q", plan.calls.most_seq_len_q},
                                                {"most_seq_len_kv", plan.calls.most_seq_len_kv}};
        if (plan.tuned)
            json["variants"].back()["tuned"] = {{"file", plan.tuned->file}, {"date", plan.tuned->date}, {"device", plan.tuned->device}};
    }
    json["device_variants"] = Json::array();
    for (const CompiledDeviceVariant &variant : device_variants) {
        const DevicePlan &plan = variant.plan;
        Json parameters = Json::object();
        for (const auto &[name, value] : plan.parameters)
            parameters[name] = value;
        json["device_variants"].push_back({{"kernel", plan.variant_name()},
                                           {"target", plan.target->name},
                                           {"algorithm", "online_softmax"},
                                           {"schedule", plan.schedule()},
                                           {"parameters", parameters},
                                           {"reason", plan.reason},
                                           {"alignment", variant.sizes.alignment},
                                           {"shared_bytes", plan.shared_bytes}});
    }
    json["attune"] = ATTUNE_VERSION;
    json["halide"] = halide_version();
    json["llvm"] = llvm_version();
    return json.dump(2) + "\n";
}

}  // namespace attune
