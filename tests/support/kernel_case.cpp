#include "tests/support/kernel_case.h"
#include "generator/backend/code_generator.h"
#include "generator/backend/device_target.h"
#include "generator/backend/params_struct.h"
#include "generator/cli/kv_cache.h"
#include "generator/cli/run_kernel.h"
#include "generator/reference/expressions.h"
#include "generator/reference/half.h"
#include "generator/reference/rope.h"
#include "tests/support/guarded_array.h"
#include "tests/support/stored_numbers.h"

#include <bit>
#include <cmath>
#include <csignal>
#include <limits>
#include <map>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <unistd.h>
#include <xmmintrin.h>

namespace attune::test {

namespace {

constexpr uint32_t sentinel = 0x5a5a5a5a;
constexpr int64_t unused_rows = 3;  // of packed sequences, after the last

uint32_t nan_bits(DType dtype) { return dtype == DType::f32 ? 0x7fc01234 : dtype == DType::f16 ? 0x7e12 : 0x7fc5; }

int64_t length_of(const std::vector<int32_t> &lengths, int64_t b, int64_t all) { return lengths.empty() ? all : lengths[static_cast<size_t>(b)]; }

std::vector<int32_t> running_sum(const std::vector<int32_t> &lengths) {
    std::vector<int32_t> sums = {0};
    for (int32_t length : lengths) sums.push_back(sums.back() + length);
    return sums;
}

/// Where element (b, h, s, 0) of a tensor is.
struct Place {
    int64_t base = 0, stride[3] = {0, 0, 0};  // batch, head, sequence
    const std::vector<int32_t> *first_row = nullptr;

    int64_t at(int64_t b, int64_t h, int64_t s) const {
        return base + (first_row ? (*first_row)[static_cast<size_t>(b)] * stride[2] : b * stride[0]) + h * stride[1] + s * stride[2];
    }
};

/// The strides of a tensor on its own, and the elements it takes.
Place place(Layout layout, int64_t batch, int64_t heads, int64_t rows, int64_t dim, int64_t &elements) {
    Place p;
    switch (layout) {
    case Layout::bshd: p.stride[2] = heads * dim, p.stride[1] = dim, p.stride[0] = rows * heads * dim; break;
    case Layout::padded:
        p.base = 1;
        p.stride[2] = dim + 5, p.stride[1] = rows * p.stride[2] + 7, p.stride[0] = heads * p.stride[1] + 11;
        break;
    default: p.stride[2] = dim, p.stride[1] = rows * dim, p.stride[0] = heads * p.stride[1];
    }
    elements = p.base + batch * p.stride[0];
    return p;
}

/// <name>_params whose arrays lie at the ends of pages: dense, or (padded) with gaps in every dimension.
class GuardedParams {
public:
    GuardedParams(const AttentionSpec &spec, const cli::CallParams &params, bool padded) {
        const ParamsStruct layout = params_struct(spec);
        bytes_.resize((layout.size + 7) / 8);
        if (spec.block_mask) {
            const cli::BlockLists &lists = params.lists();
            attune_block_mask mask = lists.view();
            mask.row_offsets = static_cast<const int32_t *>(guard(lists.row_offsets.data(), static_cast<int64_t>(lists.row_offsets.size()), 4));
            mask.columns = static_cast<const int32_t *>(guard(lists.columns.data(), static_cast<int64_t>(lists.columns.size()), 4));
            if (mask.full) mask.full = static_cast<const uint8_t *>(guard(mask.full, static_cast<int64_t>(lists.full.size()), 1));
            std::memcpy(member(0), &mask, sizeof mask);
        }
        for (size_t i = 0; i < spec.params.size(); i++) {
            const cli::Argument &argument = params.arguments().at(i);
            const uint32_t offset = layout.members[i].offset;
            if (argument.extents.empty()) {
                std::memcpy(member(offset), argument.bytes.data(), 4);
                continue;
            }
            const attune_tensor tensor = guard_tensor(argument, layout.members[i].type_bits / 8, padded);
            std::memcpy(member(offset), &tensor, sizeof tensor);
        }
    }

    const void *data() const { return bytes_.empty() ? nullptr : bytes_.data(); }

private:
    char *member(uint32_t offset) { return reinterpret_cast<char *>(bytes_.data()) + offset; }

    const void *guard(const void *from, int64_t count, int bytes) {
        arrays_.push_back(std::make_unique<GuardedArray>(count, bytes, 0xffffffff));
        if (count > 0) std::memcpy(arrays_.back()->at(0), from, static_cast<size_t>(count * bytes));
        arrays_.back()->protect();
        return arrays_.back()->at(0);
    }

    /// What lies in the gaps is a NaN, -1, or a bool that is neither.
    attune_tensor guard_tensor(const cli::Argument &argument, int bytes, bool padded) {
        attune_tensor tensor{};
        const size_t dims = argument.extents.size();
        int64_t span = padded ? 2 : 1, count = 1;
        for (size_t d = dims; d-- > 0;) {
            tensor.extent[d] = argument.extents[d];
            tensor.stride[d] = span;
            span = span * argument.extents[d] + (padded ? 3 : 0);
            count *= argument.extents[d];
        }
        arrays_.push_back(std::make_unique<GuardedArray>(span, bytes, 0xffffffff));
        for (int64_t i = 0; i < count; i++) {
            int64_t at = 0, rest = i;
            for (size_t d = dims; d-- > 0; rest /= argument.extents[d]) at += rest % argument.extents[d] * tensor.stride[d];
            std::memcpy(arrays_.back()->at(at), argument.bytes.data() + i * bytes, static_cast<size_t>(bytes));
        }
        arrays_.back()->protect();
        tensor.data = arrays_.back()->at(0);
        if (!padded) std::fill_n(tensor.stride, ATTUNE_MAX_PARAM_DIMS, 0);  // dense
        return tensor;
    }

    std::vector<int64_t> bytes_;  // aligned as the struct is
    std::vector<std::unique_ptr<GuardedArray>> arrays_;
};

cli::CacheImage image_of(const AttentionSpec &spec, const ReferenceProblem &p, const ShapeCase &shape, uint64_t page_order) {
    if (shape.layout == Layout::packed_qkv || shape.layout == Layout::broadcast_kv) throw std::invalid_argument("a cache format goes with keys of their own");
    const cli::CacheExtents extents = {.batch = p.batch, .num_kv_heads = p.num_kv_heads, .seq_len_kv = p.seq_len_kv, .lengths_kv = p.lengths_kv,
                                       .ring_slots = shape.ring_slots, .padded = shape.layout == Layout::padded};
    return {spec, extents, p.key, p.value, page_order};
}

/// The rows in use of all sequences one after another: (1, heads, rows, dim). The unused rows after them are 0.
std::vector<double> pack_rows(const ReferenceProblem &p, const std::vector<double> &dense, int64_t dim, int64_t rows) {
    std::vector<double> out(static_cast<size_t>(p.num_kv_heads * rows * dim), 0.0);
    for (int64_t h = 0; h < p.num_kv_heads; h++) {
        auto to = out.begin() + h * rows * dim;
        for (int64_t b = 0; b < p.batch; b++)
            to = std::copy_n(dense.begin() + (b * p.num_kv_heads + h) * p.seq_len_kv * dim, p.lengths_kv[static_cast<size_t>(b)] * dim, to);
    }
    return out;
}

cli::CacheImage packed_image_of(const AttentionSpec &spec, const ReferenceProblem &p, const ShapeCase &shape) {
    if (spec.cache.layout != KvLayout::contiguous) throw std::invalid_argument("packed sequences lie one after another");
    const int64_t used = running_sum(p.lengths_kv).back(), rows = used + unused_rows;
    const cli::CacheExtents extents = {.batch = 1, .num_kv_heads = p.num_kv_heads, .seq_len_kv = rows, .lengths_kv = {static_cast<int32_t>(used)},
                                       .padded = shape.layout == Layout::padded};
    return {spec, extents, pack_rows(p, p.key, p.head_dim, rows), pack_rows(p, p.value, p.head_dim_v, rows), 1};
}

/// A cache whose arrays lie at the ends of pages.
class GuardedCache {
public:
    GuardedCache(const AttentionSpec &spec, const ReferenceProblem &p, const ShapeCase &shape, uint64_t page_order)
        : image_(shape.cu_seqlens ? packed_image_of(spec, p, shape) : image_of(spec, p, shape, page_order)), packed_(shape.cu_seqlens) {}

    void bind(attune_attention_args &args) {
        image_.bind(args, cache_, [this](const cli::Bytes &bytes, int element_bytes) {
            arrays_.push_back(std::make_unique<GuardedArray>(static_cast<int64_t>(bytes.size()) / element_bytes, element_bytes, 0xffffffff));
            std::memcpy(arrays_.back()->at(0), bytes.data(), bytes.size());
            arrays_.back()->protect();
            return arrays_.back()->at(0);
        });
        if (!packed_) return;
        args.lengths_kv = nullptr;
        for (int64_t *stride : {args.stride_key, args.stride_value, cache_.stride_key_scale, cache_.stride_value_scale}) stride[0] = 123456789;  // must not be looked at
    }

private:
    const cli::CacheImage image_;
    const bool packed_;
    attune_kv_cache cache_{};
    std::vector<std::unique_ptr<GuardedArray>> arrays_;
};

/// A fault in generated code says where it was before the process ends.
class FaultMessage {
public:
    explicit FaultMessage(const std::string &context) {
        text = "SIGSEGV: a tensor left, or scratch used up, by " + context + "\n";
        struct sigaction action {};
        action.sa_handler = tell;
        action.sa_flags = static_cast<int>(SA_RESETHAND);
        sigaction(SIGSEGV, &action, &before_);
    }
    ~FaultMessage() { sigaction(SIGSEGV, &before_, nullptr); }
    FaultMessage(const FaultMessage &) = delete;

private:
    static void tell(int) {
        [[maybe_unused]] const ssize_t ignored = write(STDERR_FILENO, text.data(), text.size());
        // The instruction runs again, now with the default action.
    }
    static inline std::string text;
    struct sigaction before_ {};
};

}  // namespace

AttentionSpec make_spec(DType dtype, int head_dim, int head_dim_v, const std::string &mask, Algorithm algorithm, int group) {
    AttentionSpec spec;
    spec.dtype = dtype;
    spec.head_dim = head_dim;
    spec.head_dim_v = head_dim_v > 0 ? head_dim_v : head_dim;
    spec.softmax_scale = 1 / std::sqrt(static_cast<double>(head_dim));
    ExpressionContext context;
    context.argument = "mask";
    if (mask != "none") spec.mask = parse_expression(mask, context);
    spec.algorithm = algorithm;
    spec.group = group;
    spec.name = spec.id();
    return spec;
}

AttentionSpec make_spec(DType dtype, int head_dim, int head_dim_v, int group, const PairsText &text) {
    RawSpec raw;
    const auto set = [&](const char *key, const std::string &value) {
        if (!value.empty()) set_spec_flag(raw, key, value, "test");
    };
    set("kernel.dtype", dtype_name(dtype));
    set("kernel.head_dim", std::to_string(head_dim));
    set("kernel.head_dim_v", std::to_string(head_dim_v));
    set("kernel.group", group == 0 ? "any" : std::to_string(group));
    set("params", text.params);
    set("kernel.mask", text.mask);
    set("kernel.score", text.score == "s" ? "" : text.score);
    set("kernel.normalizer", text.normalizer);
    set("kernel.sink", text.sink);
    set("kernel.outputs", text.outputs);
    set("kernel.feature_map", text.feature_map);
    set("kernel.decay", text.decay);
    set("kernel.beta", text.beta);
    set("kernel.block_mask", text.block_size.empty() ? "" : "csr");
    set("kernel.block_size", text.block_size);
    return validate_spec(raw);
}

const LoadedKernel &kernel_for(const AttentionSpec &spec, const CpuTarget &target, const CompileOptions &options) {
    static std::map<std::string, std::unique_ptr<LoadedKernel>> kernels;
    std::ostringstream key;
    key << spec.canonical() << '|' << spec.name << '|' << target.name << '|' << options.twins << options.emulate << options.asserts << options.asan;
    for (const auto &[name, value] : options.overrides) key << '|' << name << '=' << value;
    std::unique_ptr<LoadedKernel> &kernel = kernels[key.str()];
    if (!kernel) kernel = load_kernel(spec, target, options);
    return *kernel;
}

std::string describe(const LoadedKernel &kernel) {
    std::string text = kernel.plan().variant_name() + " (" + kernel.plan().spec.canonical() + ") " + kernel.plan().algorithm;
    for (const auto &[name, value] : kernel.plan().parameters) text += " " + name + "=" + std::to_string(value);
    return text;
}

cli::CallParams make_params(const AttentionSpec &spec, const ShapeCase &shape, uint64_t seed, const std::map<std::string, double> &scalars) {
    const cli::Shape extents = {shape.batch, shape.num_heads, shape.num_kv_heads, shape.seq_len_q, shape.seq_len_kv};
    std::vector<cli::Argument> arguments;
    for (size_t i = 0; i < spec.params.size(); i++) {
        const auto given = scalars.find(spec.params[i].name);
        arguments.push_back(given == scalars.end() ? cli::default_argument(spec, i, extents, seed) : cli::make_argument(spec.params[i], {}, {given->second}));
    }
    cli::BlockLists lists;
    if (spec.block_mask) lists = cli::random_block_lists(spec, extents, 0.4, spec.mask ? 0.3 : 0, seed);
    if (spec.block_mask && shape.cu_seqlens) lists = cli::cut_to_lengths(lists, shape.lengths_kv);
    return {spec, std::move(arguments), std::move(lists)};
}

ReferenceProblem make_problem(const AttentionSpec &spec, const ShapeCase &shape, InputKind inputs, uint64_t seed, const cli::CallParams &params) {
    ReferenceProblem p;
    p.batch = shape.batch;
    p.num_heads = shape.num_heads;
    p.num_kv_heads = shape.num_kv_heads;
    p.seq_len_q = shape.seq_len_q;
    p.seq_len_kv = shape.seq_len_kv;
    p.head_dim = spec.head_dim;
    p.head_dim_v = spec.head_dim_v;
    p.lengths_q = shape.lengths_q;
    p.lengths_kv = shape.lengths_kv;
    set_expressions(p, spec, params.values());
    cli::apply_block_lists(p, params.lists());
    fill_inputs(p, inputs, spec.dtype, seed);
    if (shape.layout == Layout::broadcast_kv && shape.batch > 0) {
        for (std::vector<double> *tensor : {&p.key, &p.value}) {
            const size_t one = tensor->size() / static_cast<size_t>(shape.batch);
            for (size_t i = one; i < tensor->size(); i++) (*tensor)[i] = (*tensor)[i % one];
        }
    }
    return p;
}

ReferenceProblem as_cached(const AttentionSpec &spec, ReferenceProblem p, const ShapeCase &shape) {
    rotate_query(p, spec.rope);
    if (spec.cache != KvCacheSpec{}) image_of(spec, p, shape, 1).apply_to(p);
    return p;
}

std::vector<uint32_t> KernelResult::lse_bits() const {
    std::vector<uint32_t> bits;
    for (float x : lse) bits.push_back(std::bit_cast<uint32_t>(x));
    return bits;
}

KernelResult run_kernel(const LoadedKernel &kernel, const ReferenceProblem &p, const ShapeCase &shape, const RunOptions &options) {
    const AttentionSpec &spec = kernel.plan().spec;
    const int bytes = dtype_bytes(spec.dtype);
    const std::vector<int32_t> cu_q = running_sum(p.lengths_q), cu_kv = running_sum(p.lengths_kv);
    const bool packed = shape.cu_seqlens, cached = spec.cache != KvCacheSpec{};
    const int64_t batches = packed ? 1 : p.batch;
    const int64_t rows_q = packed ? cu_q.back() + unused_rows : p.seq_len_q, rows_kv = packed ? cu_kv.back() + unused_rows : p.seq_len_kv;

    // Where everything lies. packed_qkv: one array holds the three inputs.
    int64_t elements[4] = {}, lse_elements = 0;
    Place query, key, value;
    if (shape.layout == Layout::packed_qkv) {
        const int64_t row = p.num_heads * p.head_dim + p.num_kv_heads * (p.head_dim + p.head_dim_v);
        query = {0, {rows_q * row, p.head_dim, row}};
        key = {p.num_heads * p.head_dim, {rows_q * row, p.head_dim, row}};
        value = {(p.num_heads + p.num_kv_heads) * p.head_dim, {rows_q * row, p.head_dim_v, row}};
        elements[0] = batches * rows_q * row;
    } else {
        const bool broadcast = shape.layout == Layout::broadcast_kv;
        query = place(shape.layout, batches, p.num_heads, rows_q, p.head_dim, elements[0]);
        key = place(shape.layout, broadcast ? 1 : batches, p.num_kv_heads, rows_kv, p.head_dim, elements[1]);
        value = place(shape.layout, broadcast ? 1 : batches, p.num_kv_heads, rows_kv, p.head_dim_v, elements[2]);
        if (broadcast) key.stride[0] = value.stride[0] = 0;
    }
    Place output = place(shape.layout == Layout::packed_qkv ? Layout::bshd : shape.layout, batches, p.num_heads, rows_q, p.head_dim_v, elements[3]);
    Place lse = place(shape.layout == Layout::padded ? Layout::padded : Layout::bhsd, batches, p.num_heads, rows_q, 1, lse_elements);
    if (packed) {
        query.first_row = output.first_row = lse.first_row = &cu_q;
        key.first_row = value.first_row = &cu_kv;
        for (Place *place : {&query, &key, &value, &output, &lse}) place->stride[0] = 123456789;  // must not be looked at
    }

    const bool with_lse = options.lse && spec.lse, with_pairs = spec.pairs_output != PairsOutput::none && !packed;
    int64_t pair_elements = 0;
    const Place pairs = place(shape.layout == Layout::padded ? Layout::padded : Layout::bhsd, batches, p.num_heads, rows_q, rows_kv, pair_elements);
    GuardedArray pair_array(with_pairs ? pair_elements : 0, bytes, sentinel);
    const GuardedParams params(spec, options.params, shape.layout == Layout::padded);

    if (cached) elements[1] = elements[2] = 0;  // they lie in the cache instead

    const uint32_t nan = nan_bits(spec.dtype);
    GuardedArray q_array(elements[0], bytes, nan), k_array(elements[1], bytes, nan), v_array(elements[2], bytes, nan);
    GuardedArray out_array(elements[3], bytes, sentinel), lse_array(lse_elements, 4, sentinel);
    const bool one_array = shape.layout == Layout::packed_qkv;
    GuardedArray &k_in = one_array ? q_array : k_array, &v_in = one_array ? q_array : v_array;
    const auto fill = [&](GuardedArray &array, const Place &place, const std::vector<double> &from, int64_t heads, int64_t rows, int64_t dim,
                          const std::vector<int32_t> &lengths) {
        for (int64_t b = 0; b < p.batch; b++) {
            const int64_t length = length_of(lengths, b, rows), stored = packed || options.poison ? length : rows;
            for (int64_t h = 0; h < heads; h++) {
                for (int64_t s = 0; s < stored; s++) {
                    const int64_t at = place.at(b, h, s);
                    for (int64_t d = 0; d < dim; d++) {
                        array.set(at + d, to_bits(spec.dtype, from[static_cast<size_t>(((b * heads + h) * rows + s) * dim + d)]));
                    }
                }
            }
        }
    };
    fill(q_array, query, p.query, p.num_heads, p.seq_len_q, p.head_dim, p.lengths_q);
    if (!cached) {
        fill(k_in, key, p.key, p.num_kv_heads, p.seq_len_kv, p.head_dim, p.lengths_kv);
        fill(v_in, value, p.value, p.num_kv_heads, p.seq_len_kv, p.head_dim_v, p.lengths_kv);
    }
    for (GuardedArray *input : {&q_array, &k_array, &v_array}) input->protect();

    attune_exec exec{};
    exec.size = sizeof(exec);
    exec.num_threads = options.threads;
    attune_attention_args args{};
    args.size = sizeof(args);
    args.version = ATTUNE_ATTENTION_ARGS_VERSION;
    args.query = q_array.at(query.base);
    args.key = k_in.at(key.base);
    args.value = v_in.at(value.base);
    args.output = out_array.at(output.base);
    args.lse = with_lse ? static_cast<float *>(lse_array.at(lse.base)) : nullptr;
    args.batch = p.batch;
    args.num_heads = p.num_heads;
    args.num_kv_heads = p.num_kv_heads;
    args.seq_len_q = rows_q;
    args.seq_len_kv = rows_kv;
    const auto strides = [](int64_t *to, const Place &place) { std::copy_n(place.stride, 3, to); };
    strides(args.stride_query, query);
    strides(args.stride_key, key);
    strides(args.stride_value, value);
    strides(args.stride_output, output);
    strides(args.stride_lse, lse);
    if (packed) {
        args.cu_seqlens_q = cu_q.data();
        args.cu_seqlens_kv = cu_kv.data();
    } else {
        if (!p.lengths_q.empty()) args.lengths_q = p.lengths_q.data();
        if (!p.lengths_kv.empty()) args.lengths_kv = p.lengths_kv.data();
    }
    std::unique_ptr<GuardedCache> cache;
    if (cached) {
        cache = std::make_unique<GuardedCache>(spec, p, shape, options.page_order);
        cache->bind(args);
    }
    args.params = params.data();
    if (with_pairs) {
        args.pairs = pair_array.at(pairs.base);
        strides(args.stride_pairs, pairs);
    }
    args.exec = &exec;

    KernelResult result;
    args.workspace_size = attune_kernel_workspace_size(kernel.kernel(), &args);
    GuardedArray workspace(static_cast<int64_t>(args.workspace_size), 1, 0xff, GuardedArray::Ends::with_guard);  // NaNs
    args.workspace = args.workspace_size ? workspace.at(0) : nullptr;
    const FaultMessage told_on_a_fault(describe(kernel) + "\n  shape " + shape.name);
    const unsigned mode = _mm_getcsr();
    const DeviceTarget *device = kernel.plan().device;
    result.status = device ? attune_kernel_run_copied(kernel.kernel(), &args, &cli::opened_device(device->api)) : attune_kernel_run(kernel.kernel(), &args);
    constexpr unsigned flags = 0x3f;  // a device on this CPU may raise some
    EXPECT_EQ(_mm_getcsr() & ~(device ? flags : 0u), mode & ~(device ? flags : 0u)) << "floating-point mode changed by " << describe(kernel);
    EXPECT_EQ(result.status, ATTUNE_OK) << attune_last_error() << "\n  " << describe(kernel) << "\n  shape " << shape.name;
    EXPECT_TRUE(workspace.guards_hold()) << "written outside the workspace of " << args.workspace_size << " bytes: " << describe(kernel) << ", shape " << shape.name;

    // Back to dense arrays; what is taken is replaced by the sentinel, so that all that remains must be sentinels.
    const double minus_infinity = -std::numeric_limits<double>::infinity();
    for (int64_t b = 0; b < p.batch; b++) {
        const int64_t held = packed ? length_of(p.lengths_q, b, p.seq_len_q) : p.seq_len_q;
        for (int64_t h = 0; h < p.num_heads; h++) {
            for (int64_t s = 0; s < p.seq_len_q; s++) {
                for (int64_t d = 0; d < p.head_dim_v; d++) {
                    result.output_bits.push_back(s < held ? out_array.take(output.at(b, h, s) + d, sentinel) : 0);
                    result.output.push_back(from_bits(spec.dtype, result.output_bits.back()));
                }
                if (with_lse)
                    result.lse.push_back(s < held ? std::bit_cast<float>(lse_array.take(lse.at(b, h, s), sentinel)) : static_cast<float>(minus_infinity));
            }
        }
    }
    for (int64_t b = 0; with_pairs && b < p.batch; b++) {
        const int64_t used_q = length_of(p.lengths_q, b, p.seq_len_q), used_kv = length_of(p.lengths_kv, b, p.seq_len_kv);
        for (int64_t h = 0; h < p.num_heads; h++) {
            for (int64_t q = 0; q < p.seq_len_q; q++) {
                for (int64_t kv = 0; kv < p.seq_len_kv; kv++) {
                    const bool used = q < used_q && kv < used_kv;
                    result.pairs.push_back(used ? from_bits(spec.dtype, pair_array.take(pairs.at(b, h, q) + kv, sentinel)) : 0);
                }
            }
        }
    }
    EXPECT_TRUE(pair_array.holds_only(sentinel)) << "written outside the pairs: " << describe(kernel) << ", shape " << shape.name;
    EXPECT_TRUE(out_array.holds_only(sentinel)) << "written outside the output's rows: " << describe(kernel) << ", shape " << shape.name;
    EXPECT_TRUE(lse_array.holds_only(sentinel)) << "written outside lse: " << describe(kernel) << ", shape " << shape.name;
    return result;
}

std::string row_name(const ReferenceProblem &p, int64_t row) {
    std::ostringstream text;
    text << "(batch " << row / p.seq_len_q / p.num_heads << ", head " << row / p.seq_len_q % p.num_heads << ", row " << row % p.seq_len_q << ")";
    return text.str();
}

ErrorShare expect_right(const LoadedKernel &kernel, const ReferenceProblem &problem, const ShapeCase &shape, const KernelResult &result, uint64_t seed) {
    const ReferenceProblem p = as_cached(kernel.plan().spec, problem, shape);
    const ReferenceResult expected = reference_attention(p);
    const Precision precision = precision_of(kernel.plan().spec.types(), kernel.plan().rounds_weights);
    const ErrorShare share = error_share(p, expected, result.output, result.lse, precision);
    const double pairs = result.pairs.empty() ? 0 : pairs_share(expected, result.pairs, precision);
    if (share.output <= 1 && share.lse <= 1 && pairs <= 1) return share;
    std::ostringstream text;
    text << "outside the bound: share of output " << share.output << ", of lse " << share.lse << ", of pairs " << pairs << ", r " << share.r << "\n  " << describe(kernel) << "\n  shape "
         << shape.name << ": b=" << p.batch << ",h=" << p.num_heads << ",hkv=" << p.num_kv_heads << ",sq=" << p.seq_len_q << ",skv=" << p.seq_len_kv
         << ", seed " << seed;
    if (share.worst_index >= 0) {
        text << "\n  worst at " << row_name(p, share.worst_index / p.head_dim_v) << " d " << share.worst_index % p.head_dim_v << ": "
             << result.output[static_cast<size_t>(share.worst_index)] << ", expected " << expected.output[static_cast<size_t>(share.worst_index)];
    }
    for (size_t row = 0; share.lse > 1 && row < result.lse.size(); row++) {
        if (std::abs(result.lse[row] - expected.lse[row]) > 1e-4 || std::isnan(result.lse[row]) != std::isnan(expected.lse[row])) {
            text << "\n  lse at " << row_name(p, static_cast<int64_t>(row)) << ": " << result.lse[row] << ", expected " << expected.lse[row];
            break;
        }
    }
    ADD_FAILURE() << text.str();
    return share;
}

ErrorShare check_shape(const LoadedKernel &kernel, const ShapeCase &shape, InputKind inputs, uint64_t seed, const RunOptions &options) {
    const ReferenceProblem problem = make_problem(kernel.plan().spec, shape, inputs, seed, options.params);
    RunOptions run = options;
    if (inputs == InputKind::spike) run.poison = false;  // the hidden keys are part of the input
    return expect_right(kernel, problem, shape, run_kernel(kernel, problem, shape, run), seed);
}

void expect_same_bits(const ReferenceProblem &p, const KernelResult &got, const KernelResult &expected, const std::string &context,
                      const std::function<bool(int64_t row)> &compared) {
    ASSERT_EQ(got.output_bits.size(), expected.output_bits.size());
    const std::vector<uint32_t> got_lse = got.lse_bits(), expected_lse = expected.lse_bits();
    ASSERT_EQ(got_lse.size(), expected_lse.size());
    const int64_t rows = p.batch * p.num_heads * p.seq_len_q;
    for (int64_t row = 0; row < rows; row++) {
        if (compared && !compared(row)) continue;
        for (int64_t i = row * p.head_dim_v; i < (row + 1) * p.head_dim_v; i++) {
            const size_t at = static_cast<size_t>(i);
            if (got.output_bits[at] == expected.output_bits[at]) continue;
            FAIL() << context << ": output at " << row_name(p, row) << " d " << i % p.head_dim_v << " is " << got.output[at] << ", expected the bits of "
                   << expected.output[at];
        }
        if (!got_lse.empty() && got_lse[static_cast<size_t>(row)] != expected_lse[static_cast<size_t>(row)]) {
            FAIL() << context << ": lse at " << row_name(p, row) << " is " << got.lse[static_cast<size_t>(row)] << ", expected the bits of "
                   << expected.lse[static_cast<size_t>(row)];
        }
    }
}

bool must_emulate(const std::string &name) { return !available_target(name) && cpu_target(name).is_x86() && available_target("avx2") && has_llvm_backend(); }

const CpuTarget *available_target(const std::string &name) {
    for (const CpuTarget *target : machine_targets()) {
        if (name == target->name) return target;
    }
    return nullptr;
}

std::vector<std::string> target_names() {
    std::vector<std::string> names;
    for (const CpuTarget &target : cpu_targets())
        if (target.serves(DType::f32) && target.is_x86()) names.push_back(target.name);
    return names;
}

}  // namespace attune::test
