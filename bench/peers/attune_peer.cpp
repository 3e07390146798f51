/// Attune's kernels and the machine's limits behind a C interface, for bench/peers/native.py: in the process of the rivals, so that data,
/// pinning and clock are the same. Functions that can fail return null or nonzero; attune_peer_error() then says why, in one line.
#include "generator/cli/cost.h"
#include "generator/cli/params.h"
#include "generator/cli/peak.h"
#include "generator/cli/run_kernel.h"
#include "generator/cli/schedule_text.h"

#include <cstring>
#include <exception>
#include <functional>
#include <memory>
#include <numeric>
#include <string>

using namespace attune;

namespace {

std::string error_text;

/// A kernel with a call of it made ready.
struct PeerCall {
    std::unique_ptr<LoadedKernel> kernel;
    cli::CallParams params;
    cli::Cost cost;
    std::unique_ptr<cli::KernelCall> call;
    std::string text;
};

template <class Body>
bool succeeds(Body body) {
    try {
        body();
        return true;
    } catch (const std::exception &error) {
        error_text = error.what();
        return false;
    }
}

/// A dense array as a parameter is declared: copied, since kernels want it aligned.
cli::Argument argument(const ParamDeclaration &param, const cli::Shape &shape, const void *data) {
    cli::Argument result{cli::wanted_extents(param, shape, 0), {}};
    const int64_t elements = std::accumulate(result.extents.begin(), result.extents.end(), int64_t{1}, std::multiplies<>());
    result.bytes = cli::Bytes(elements * 4);
    std::memcpy(result.bytes.data(), data, result.bytes.size());
    return result;
}

}  // namespace

extern "C" {

/// As native.py declares it.
struct attune_peer_inputs {
    int64_t batch, num_heads, num_kv_heads, seq_len_q, seq_len_kv;
    const void *query, *key, *value;  ///< (batch, heads, seq, dim) in C order, in the kernel's type
    const void *const *params;        ///< an array of i32 or f32 for each parameter that the specification declares, in its order
    const int32_t *row_offsets;       ///< block_mask = "csr": lists shared by all sequences and heads, else null
    const int32_t *columns;           ///< row_offsets' last element of them
    int32_t threads;
};

const char *attune_peer_error() {
    return error_text.c_str();
}

/// spec: the text of a specification file. Compiles the kernel for the best target of this machine, or takes it from the cache.
void *attune_peer_prepare(const char *spec_text, const attune_peer_inputs *in) {
    auto peer = std::make_unique<PeerCall>();
    const bool ready = succeeds([&] {
        const AttentionSpec spec = validate_spec(read_spec_text(spec_text, "peer"));
        const cli::Shape shape{in->batch, in->num_heads, in->num_kv_heads, in->seq_len_q, in->seq_len_kv};
        peer->kernel = load_kernel(spec, runnable_target("auto", spec.targets, spec.types()));
        std::vector<cli::Argument> arguments;
        for (size_t i = 0; i < spec.params.size(); i++)
            arguments.push_back(argument(spec.params[i], shape, in->params[i]));
        cli::BlockLists lists;
        if (in->row_offsets) {
            lists.size_q = spec.block_size_q;
            lists.size_kv = spec.block_size_kv;
            lists.rows = (shape.seq_len_q + lists.size_q - 1) / lists.size_q;
            lists.row_offsets.assign(in->row_offsets, in->row_offsets + lists.rows + 1);
            lists.columns.assign(in->columns, in->columns + lists.row_offsets.back());
        }
        peer->params = {spec, std::move(arguments), std::move(lists)};
        peer->cost = cli::call_cost(spec, shape, peer->params.values(), peer->params.lists());
        const cli::CallInputs inputs{.shape = shape, .query = in->query, .key = in->key, .value = in->value, .params = peer->params.data()};
        peer->call = std::make_unique<cli::KernelCall>(*peer->kernel, inputs, in->threads, cli::CallOutputs{});
        peer->text = peer->kernel->plan().variant_name() + " " + cli::schedule_text(peer->kernel->plan());
    });
    return ready ? peer.release() : nullptr;
}

int attune_peer_run(void *peer) {
    return succeeds([&] { static_cast<PeerCall *>(peer)->call->run(); }) ? 0 : 1;
}

/// (batch, heads, seq_q, head_dim_v) in the kernel's type, as the last run left it.
const void *attune_peer_output(const void *peer) {
    return static_cast<const PeerCall *>(peer)->call->output().data();
}

int64_t attune_peer_visible_pairs(const void *peer) {
    return static_cast<const PeerCall *>(peer)->cost.visible_pairs;
}

/// Of query, key, value and output, each once.
int64_t attune_peer_bytes(const void *peer) {
    return static_cast<const PeerCall *>(peer)->cost.bytes;
}

/// "attune_prefill_f32_d64_g1_99bb89f5__avx512 cpu_query_lanes(…)"
const char *attune_peer_text(const void *peer) {
    return static_cast<const PeerCall *>(peer)->text.c_str();
}

void attune_peer_free(void *peer) {
    delete static_cast<PeerCall *>(peer);
}

/// GFLOP/s that registers alone allow for products of this type ("bf16"), computed as this ("f32") says, on this CPU: of the unit of the best
/// target that serves them. 0 where no type has such a name.
double attune_peer_peak_gflops(const char *dtype, const char *compute_dtype, int threads, double seconds) {
    for (const DType storage : {DType::f32, DType::f16, DType::bf16})
        for (const ComputeDType compute : {ComputeDType::f32, ComputeDType::f16, ComputeDType::i8})
            if (std::string(dtype) == dtype_name(storage) && std::string(compute_dtype) == compute_dtype_name(compute))
                return cli::best_peak_gflops(*available_targets({storage, compute}).front(), threads, seconds);
    return 0;
}

double attune_peer_read_gbs(int threads, double seconds) {
    return cli::measure_read_gbs(threads, seconds);
}

/// "Halide 21.0.0, LLVM 22.1.8, attune 62bbbfa"
const char *attune_peer_versions() {
    static const std::string text = "Halide " + halide_version() + ", LLVM " + llvm_version() + ", attune " + ATTUNE_COMMIT;
    return text.c_str();
}

}  // extern "C"
