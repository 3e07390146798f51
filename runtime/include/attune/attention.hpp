/// attune/attention.h in C++20: a call reads as a sentence, shapes are checked against the kernel, errors carry their text.
///
///   attune::Kernel kernel = attune::find("minilm_attention");
///   attune::Workspace workspace;
///   attune::Shape q{.batch = 1, .heads = 12, .seq_len = 128, .head_dim = 32}, kv = q;
///   attune::Status status = kernel({.query = attune::bhsd(query, q), .key = attune::bhsd(key, kv),
///                                   .value = attune::bhsd(value, kv), .output = attune::bhsd(output, q)}, workspace);
///   if (!status) std::cerr << status.message() << '\n';
///
/// A decode kernel and its cache, here of i8 (KV_DTYPE i8): scales are views like keys, with one element a row; i4 has rows of bytes.
///
///   attune::Shape rows{.heads = 3, .seq_len = 1024, .head_dim = 64}, scales{.heads = 3, .seq_len = 1024, .head_dim = 1};
///   const attune::CacheView cache{.key_scale = attune::bhsd(key_scale, scales), .value_scale = attune::bhsd(value_scale, scales)};
///   status = decode.append({.new_key = attune::bshd(k, one), .new_value = attune::bshd(v, one), .key = attune::bhsd(key, rows),
///                           .value = attune::bhsd(value, rows), .cache = cache, .lengths_kv = lengths});
///   lengths[0] += 1;
///   status = decode({.query = attune::bshd(q, row), .key = attune::bhsd(key, rows), .value = attune::bhsd(value, rows),
///                    .output = attune::bshd(output, row), .lengths_kv = lengths, .cache = cache}, workspace);
///
/// Pages: key and value are the pool, its pages the batch and page_size the seq_len, and CacheView::page_table says which are whose.
/// Views own nothing. Elements are float for f32 kernels and any 2-byte type (uint16_t, _Float16, Halide::float16_t …) for f16 and bf16;
/// bytes (int8_t, uint8_t, std::byte) in caches of i8 and i4.
/// Threads, lengths, errors and corner cases: attune/attention.h.
#ifndef ATTUNE_ATTENTION_HPP
#define ATTUNE_ATTENTION_HPP

#include "attune/attention.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace attune {

/// What a call reports. True when it succeeded.
class [[nodiscard]] Status {
public:
    Status() = default;
    Status(attune_status code, std::string message) : code_(code), message_(std::move(message)) {}
    /// The status of a C call that this thread has just made.
    static Status of(attune_status code) { return code == ATTUNE_OK ? Status() : Status(code, attune_last_error()); }

    bool ok() const { return code_ == ATTUNE_OK; }
    explicit operator bool() const { return ok(); }
    attune_status code() const { return code_; }
    /// "attune: num_heads is 30 but must be a multiple of num_kv_heads, which is 8"; "success" when ok.
    std::string_view message() const { return ok() ? std::string_view(attune_status_string(code_)) : std::string_view(message_); }

private:
    attune_status code_ = ATTUNE_OK;
    std::string message_;
};

/// Extents of a tensor.
struct Shape {
    int64_t batch = 1;
    int64_t heads = 1;
    int64_t seq_len = 0;
    int64_t head_dim = 0;
    friend bool operator==(const Shape &, const Shape &) = default;
};

/// Elements of T at data + b * stride_batch + h * stride_head + s * stride_seq + d. Strides in elements.
template <class T>
struct TensorView {
    T *data = nullptr;
    Shape shape;
    int64_t stride_batch = 0;
    int64_t stride_head = 0;
    int64_t stride_seq = 0;
};

/// Memory order (batch, heads, seq, head_dim), the last one contiguous: PyTorch's layout.
template <class T>
TensorView<T> bhsd(T *data, Shape s) {
    return {data, s, s.heads * s.seq_len * s.head_dim, s.seq_len * s.head_dim, s.head_dim};
}

/// Memory order (batch, seq, heads, head_dim): what a dense layer writes. Packed sequences (cu_seqlens) are this with batch 1 and
/// seq_len the tokens of all of them.
template <class T>
TensorView<T> bshd(T *data, Shape s) {
    return {data, s, s.seq_len * s.heads * s.head_dim, s.head_dim, s.heads * s.head_dim};
}

template <class T>
struct PackedQkv {
    TensorView<T> query, key, value;
};

/// The output of one fused dense layer, (batch, seq, heads + 2 * kv_heads, head_dim): queries, then keys, then values of a token.
/// `s` is the query's shape.
template <class T>
PackedQkv<T> packed_qkv(T *data, Shape s, int64_t kv_heads) {
    const int64_t token = (s.heads + 2 * kv_heads) * s.head_dim;
    const auto view = [&](int64_t first_head, int64_t heads) {
        return TensorView<T>{data + first_head * s.head_dim, {s.batch, heads, s.seq_len, s.head_dim}, s.seq_len * token, s.head_dim, token};
    };
    return {view(0, s.heads), view(s.heads, kv_heads), view(s.heads + kv_heads, kv_heads)};
}

/// A view whose element type is known by its size: what calls take, made from any TensorView. `P` is void or const void.
template <class P>
struct AnyView {
    P *data = nullptr;
    Shape shape;
    int64_t stride[3] = {};  ///< batch, head, sequence
    size_t element_bytes = 0;

    AnyView() = default;
    template <class T>
    requires std::is_convertible_v<T *, P *> &&(!std::is_void_v<T>)AnyView(const TensorView<T> &view)
        : data(view.data), shape(view.shape), stride{view.stride_batch, view.stride_head, view.stride_seq}, element_bytes(sizeof(T)) {
        static_assert(std::is_same_v<std::remove_cv_t<T>, float> || sizeof(T) <= 2,
                      "elements are float, 2 bytes wide for f16 and bf16, or bytes of a cache of i8 or i4");
    }
    /// What may be written may be read.
    template <class Q>
    requires std::is_void_v<Q> &&(!std::is_same_v<Q, P>)AnyView(const AnyView<Q> &view)
        : data(view.data), shape(view.shape), stride{view.stride[0], view.stride[1], view.stride[2]}, element_bytes(view.element_bytes) {}
};
using InputView = AnyView<const void>;
using OutputView = AnyView<void>;

/// Rows' log-sum-exp at data + b * stride_batch + h * stride_head + s * stride_seq.
struct LseView {
    float *data = nullptr;
    int64_t stride_batch = 0;
    int64_t stride_head = 0;
    int64_t stride_seq = 1;
};

/// The same, to be read only.
struct InputLseView {
    const float *data = nullptr;
    int64_t stride_batch = 0;
    int64_t stride_head = 0;
    int64_t stride_seq = 1;

    InputLseView() = default;
    InputLseView(const float *data, int64_t stride_batch, int64_t stride_head, int64_t stride_seq)
        : data(data), stride_batch(stride_batch), stride_head(stride_head), stride_seq(stride_seq) {}
    InputLseView(const LseView &view) : InputLseView(view.data, view.stride_batch, view.stride_head, view.stride_seq) {}
};

/// Memory order (batch, heads, seq).
inline LseView bhs(float *data, Shape query) {
    return {data, query.heads * query.seq_len, query.seq_len, 1};
}
inline InputLseView bhs(const float *data, Shape query) {
    return {data, query.heads * query.seq_len, query.seq_len, 1};
}

/// Memory that calls work in; grows when a call needs more and is reused by the next. Not for two calls at the same time.
class Workspace {
public:
    Workspace() = default;
    explicit Workspace(size_t bytes) { grow(bytes); }
    Workspace(Workspace &&other) noexcept : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
    Workspace &operator=(Workspace &&other) noexcept {
        std::swap(data_, other.data_);
        std::swap(size_, other.size_);
        return *this;
    }
    ~Workspace() { std::free(data_); }

    /// Makes it at least `bytes` large; contents are lost. False where memory ran out; it then keeps what it had.
    bool grow(size_t bytes) {
        if (bytes <= size_)
            return true;
        const size_t rounded = (bytes + alignment - 1) / alignment * alignment;
        void *data = rounded < bytes ? nullptr : std::aligned_alloc(alignment, rounded);
        if (!data)
            return false;
        std::free(data_);
        data_ = data;
        size_ = rounded;
        return true;
    }
    void *data() const { return data_; }
    size_t size() const { return size_; }

private:
    static constexpr size_t alignment = 64;
    void *data_ = nullptr;
    size_t size_ = 0;
};

/// What a cache has beside keys and values (attune_kv_cache): for kernels with KV_DTYPE or KV_LAYOUT paged.
struct CacheView {
    TensorView<float> key_scale = {}, value_scale = {};  ///< as key and value, but 1 (i8) or head_dim / 32 (i4) elements a row
    TensorView<float> key_zero = {}, value_zero = {};    ///< zero points, with the shape and strides of the scales; or there are none
    std::span<const int32_t> page_table = {};            ///< pages of each sequence, the same number for all, one sequence after the other
};

/// What linear attention keeps from call to call (attune_linear_state), dense: (batch, num_kv_heads, head_dim, head_dim_v) and, of kernels that divide
/// rows by their sum, (batch, num_kv_heads, head_dim). Empty: no keys before, or not wanted. A call may write where it reads.
struct LinearState {
    std::span<const float> past = {}, past_key_sum = {};
    std::span<float> present = {}, present_key_sum = {};
};

/// One call. Only query, key, value and output must be given.
struct AttentionArgs {
    InputView query;                          ///< (batch, num_heads, seq_len_q, head_dim)
    InputView key;                            ///< (batch, num_kv_heads, seq_len_kv, head_dim); of i4 head_dim / 2 bytes; of pages the pool
    InputView value;                          ///< (batch, num_kv_heads, seq_len_kv, head_dim_v); not given where values are in key
    OutputView output;                        ///< (batch, num_heads, seq_len_q, head_dim_v)
    LseView lse = {};                         ///< (batch, num_heads, seq_len_q)
    std::span<const int32_t> lengths_q = {};  ///< rows in use of each sequence; empty: all
    std::span<const int32_t> lengths_kv = {};
    std::span<const int32_t> cu_seqlens_q = {};  ///< packed sequences, one entry more than sequences; views then have batch 1
    std::span<const int32_t> cu_seqlens_kv = {};
    const void *params = nullptr;                ///< the kernel's <name>_params; kernels without mask and score parameters have none
    OutputView pairs = {};                       ///< (batch, num_heads, seq_len_q, seq_len_kv as head_dim); kernels whose outputs name it
    CacheView cache = {};                        ///< beside key and value, where the kernel rounds them or keeps them in pages
    std::span<const int32_t> positions = {};     ///< with ROPE: seq_len_q for all sequences, or as many for each; empty: where the rows are
    LinearState state = {};                      ///< of kernels with NORMALIZER linear
    int32_t num_threads = 0;                     ///< 0: attune_num_threads()
    attune_parallel_for parallel_for = nullptr;  ///< null: Attune's threads
    void *parallel_context = nullptr;
    const attune_device *device = nullptr;       ///< null: this machine's CPU; else views are of its memory (attune/device.hpp)
};

/// New keys and values for the cache of a decode kernel: row i of sequence b becomes key lengths_kv[b] + i (attune_kernel_append).
struct AppendArgs {
    InputView new_key;                          ///< (batch, num_kv_heads, num_new, head_dim)
    InputView new_value;                        ///< (batch, num_kv_heads, num_new, head_dim_v); not given where values are in key
    OutputView key, value;                      ///< the cache, as calls take it
    CacheView cache = {};                       ///< likewise
    std::span<const int32_t> lengths_new = {};  ///< new rows of each sequence; empty: all
    std::span<const int32_t> lengths_kv = {};   ///< keys of each before this call, the caller's to raise afterwards; empty: 0
    std::span<const int32_t> positions = {};    ///< num_new for all sequences or for each; empty: lengths_kv[b] + i
    int32_t num_threads = 0;
    attune_parallel_for parallel_for = nullptr;
    void *parallel_context = nullptr;
};

/// Attention over some of the keys: what a call with these as output and lse has written.
struct MergePart {
    InputView output;  ///< (batch, num_heads, seq_len_q, head_dim_v)
    InputLseView lse;  ///< (batch, num_heads, seq_len_q); needed
};

/// Parts of one attention, and where the whole goes. Views of all parts have the same shape and strides.
struct MergeArgs {
    std::string_view dtype = "f32";    ///< Kernel::info().dtype; elements of 2 bytes may be f16 or bf16
    std::span<const MergePart> parts;  ///< none: a result of empty rows
    OutputView output;                 ///< of the parts' shape; the data and strides of one of them, or apart from all
    LseView lse = {};                  ///< likewise; or not wanted
};

/// Attention over the keys of all parts (attune_merge). Allocates two arrays of pointers.
///   const attune::MergePart parts[] = {{attune::bhsd(prefix.data(), q), attune::bhs(prefix_lse.data(), q)},
///                                      {attune::bhsd(suffix.data(), q), attune::bhs(suffix_lse.data(), q)}};
///   attune::Status status = attune::merge({.parts = parts, .output = attune::bhsd(output.data(), q)});
Status merge(const MergeArgs &args);

/// A linked kernel, or none (false). Copies are cheap.
class Kernel {
public:
    Kernel() = default;
    explicit Kernel(const attune_kernel *kernel) : kernel_(attune_kernel_describe(kernel) ? kernel : nullptr) {}

    explicit operator bool() const { return kernel_ != nullptr; }
    const attune_kernel *get() const { return kernel_; }
    friend bool operator==(const Kernel &, const Kernel &) = default;

    /// These need a kernel.
    const attune_kernel_info &info() const { return *attune_kernel_describe(kernel_); }
    std::string_view name() const { return info().name; }
    std::string_view id() const { return info().id; }
    /// JSON: specification, targets, schedule, flops and bytes formulas, provenance.
    std::string_view description() const { return info().metadata ? info().metadata : ""; }

    /// The target that it runs with on this machine; empty where none fits.
    std::string_view target() const {
        const char *target = kernel_ ? attune_kernel_target(kernel_) : nullptr;
        return target ? target : "";
    }
    bool supported() const { return !target().empty(); }
    /// The schedule that calls with these seq_lens run there; empty where no target fits.
    std::string_view schedule(int64_t seq_len_q, int64_t seq_len_kv) const {
        const char *schedule = kernel_ ? attune_kernel_schedule(kernel_, seq_len_q, seq_len_kv) : nullptr;
        return schedule ? schedule : "";
    }

    /// Runs it. Grows the workspace as needed; nothing else allocates, except the text of an error.
    Status operator()(const AttentionArgs &args, Workspace &workspace) const;
    /// Bytes of workspace that it needs; 0 also where args are in error.
    size_t workspace_size(const AttentionArgs &args) const;

    /// How it keeps keys and values.
    attune_cache_info cache() const { return attune_kernel_cache(kernel_); }
    /// Writes new keys and values into a cache, as the kernel keeps them. Allocates nothing, except the text of an error.
    Status append(const AppendArgs &args) const;

private:
    template <class Args>
    struct CArgs {
        Args args{};
        attune_exec exec{};
        attune_kv_cache cache{};
        attune_linear_state state{};
    };
    struct Rows {
        const char *name;
        const Shape &shape;
        size_t element_bytes;
    };
    std::string in_text() const { return "kernel " + std::string(name()); }
    Status check(const AttentionArgs &args) const;
    Status check(const AppendArgs &args) const;
    Status check_rows(const Rows &rows, int64_t head_dim, const char *head_dim_key) const;
    Status check_cache(const CacheView &cache, const Rows &key, const Rows &value, int64_t batch) const;
    void convert(const AttentionArgs &from, CArgs<attune_attention_args> &to) const;
    void convert(const AppendArgs &from, CArgs<attune_append_args> &to) const;
    template <class From, class To>
    void convert_cache(const From &from, To &to) const;

    const attune_kernel *kernel_ = nullptr;
};

/// All linked kernels.
inline std::vector<Kernel> kernels() {
    std::vector<Kernel> all;
    for (size_t i = 0; const attune_kernel *kernel = attune_kernel_at(i); i++)
        all.emplace_back(kernel);
    return all;
}

/// The linked kernel of this name or id. (A template, so that find({.head_dim = 64}) can only mean a KernelSpec.)
template <class Name>
requires std::is_convertible_v<const Name &, std::string_view> Kernel find(const Name &name) {
    return Kernel(attune_kernel_find(std::string(std::string_view(name)).c_str()));
}

/// What an application needs from a kernel.
struct KernelSpec {
    std::string_view dtype = "f32";
    int64_t head_dim = 0;
    int64_t head_dim_v = 0;                      ///< 0: head_dim
    int64_t group = 0;                           ///< query heads per key/value head; 0: a kernel for any group
    std::optional<std::string_view> mask = {};   ///< as the kernel's specification spells it; none given: whatever the kernel has
    std::optional<std::string_view> score = {};  ///< likewise; "s" where it is the scaled logit itself
    bool lse = false;                            ///< it must be able to write lse
    std::string_view kv_dtype = {};              ///< "i8" or "i4"; empty: keys and values are of dtype
    std::string_view kv_layout = "contiguous";   ///< "ring" or "paged"
    bool rope = false;                           ///< it turns queries, and new keys
    bool values_in_key = false;
};

/// The first linked kernel that does this and runs on this machine; one made for exactly this group before one for any group.
inline Kernel find(const KernelSpec &spec) {
    Kernel any;
    for (const Kernel &kernel : kernels()) {
        const attune_kernel_info &info = kernel.info();
        const attune_cache_info cache = kernel.cache();
        const bool fits = info.dtype == spec.dtype && info.head_dim == spec.head_dim &&
                          info.head_dim_v == (spec.head_dim_v ? spec.head_dim_v : spec.head_dim) &&
                          (!spec.mask || *spec.mask == (info.mask ? info.mask : "")) &&
                          (!spec.score || *spec.score == (info.score ? info.score : "s")) && (!spec.lse || info.has_lse) &&
                          cache.dtype == (spec.kv_dtype.empty() ? spec.dtype : spec.kv_dtype) && cache.layout == spec.kv_layout &&
                          bool(cache.has_rope) == spec.rope && (cache.value_elements == 0) == spec.values_in_key;
        if (!fits || (info.group && info.group != spec.group) || !kernel.supported())
            continue;
        if (info.group == spec.group)
            return kernel;
        if (!any)
            any = kernel;
    }
    return any;
}

// ---- what the calls above do ----

namespace detail {

inline Status fail(attune_status code, const std::string &text) {
    return Status(code, "attune: " + text);
}
inline std::string text(int64_t n) {
    return std::to_string(n);
}
inline Status not_given(const char *name) {
    return fail(ATTUNE_NULL_POINTER, std::string(name) + " is not given; pass a view such as attune::bhsd(data, shape)");
}
inline Status differ(const char *what, const char *x, int64_t of_x, const char *y, int64_t of_y) {
    return fail(ATTUNE_INVALID_ARGUMENT,
                std::string(x) + " has " + what + " " + text(of_x) + " but must have that of " + y + ", which is " + text(of_y));
}
/// All extents but head_dim.
inline Status same(const char *x, const Shape &of_x, const char *y, const Shape &of_y) {
    if (of_x.batch != of_y.batch)
        return differ("batch", x, of_x.batch, y, of_y.batch);
    if (of_x.heads != of_y.heads)
        return differ("heads", x, of_x.heads, y, of_y.heads);
    if (of_x.seq_len != of_y.seq_len)
        return differ("seq_len", x, of_x.seq_len, y, of_y.seq_len);
    return Status();
}
template <class T>
Status check_entries(const char *name, std::span<T> values, int64_t wanted) {
    return values.empty() || int64_t(values.size()) == wanted
               ? Status()
               : fail(ATTUNE_INVALID_ARGUMENT,
                      std::string(name) + " has " + text(int64_t(values.size())) + " entries but must have " + text(wanted));
}
/// Of `rows` rows of each sequence.
inline Status check_positions(std::span<const int32_t> positions, int64_t rows, int64_t batch) {
    const auto found = int64_t(positions.size());
    return found == 0 || found == rows || found == rows * batch
               ? Status()
               : fail(ATTUNE_INVALID_ARGUMENT, "positions has " + text(found) + " entries but must have " + text(rows) +
                                                   " for all sequences, or as many for each of the " + text(batch));
}
// An empty span has no address to tell "none" from "no sequences", so both are none.
template <class T>
T *array(std::span<T> values) {
    return values.empty() ? nullptr : values.data();
}
template <class Args>
attune_exec exec_of(const Args &args) {
    return {.size = sizeof(attune_exec),
            .num_threads = args.num_threads,
            .parallel_for = args.parallel_for,
            .parallel_context = args.parallel_context,
            .stream = nullptr,
            .device = nullptr};
}
inline Status grow(Workspace &workspace, size_t bytes) {
    return workspace.grow(bytes) ? Status()
                                 : fail(ATTUNE_OUT_OF_MEMORY, "workspace needs " + std::to_string(bytes) +
                                                                  " bytes, which could not be allocated; use fewer threads");
}
/// The C function's call in a workspace of `bytes`.
template <class Args, class Run>
Status run_in(Workspace &workspace, size_t bytes, Args &args, const Run &run) {
    if (Status status = grow(workspace, bytes); !status)
        return status;
    args.workspace = workspace.data();
    args.workspace_size = workspace.size();
    return Status::of(run(&args));
}
template <class View>
void set_stride(int64_t (&to)[3], const View &from) {
    std::copy(std::begin(from.stride), std::end(from.stride), to);
}

}  // namespace detail

/// Rows of the kernel's own element type.
inline Status Kernel::check_rows(const Rows &rows, int64_t head_dim, const char *head_dim_key) const {
    using namespace detail;
    const std::string_view dtype = info().dtype;
    const size_t bytes = dtype == "f32" ? 4 : 2;
    if (rows.element_bytes == 0)
        return not_given(rows.name);
    if (rows.element_bytes != bytes)
        return fail(ATTUNE_SHAPE_MISMATCH, std::string(rows.name) + " has elements of " + text(int64_t(rows.element_bytes)) +
                                               (rows.element_bytes == 1 ? " byte" : " bytes") + ", but " + in_text() +
                                               " was generated for " + std::string(dtype) + "; generate one with " +
                                               (rows.element_bytes == 1 ? "KV_DTYPE i8 or i4"
                                                : bytes == 4            ? "DTYPE f16 or bf16"
                                                                        : "DTYPE f32"));
    if (rows.shape.head_dim != head_dim)
        return fail(ATTUNE_SHAPE_MISMATCH, std::string(rows.name) + " has head_dim " + text(rows.shape.head_dim) + ", but " + in_text() +
                                               " was generated for " + text(head_dim) + "; generate one with " + head_dim_key + " " +
                                               text(rows.shape.head_dim));
    return Status();
}

/// Keys and values of a cache of `batch` sequences, and what lies beside them.
inline Status Kernel::check_cache(const CacheView &c, const Rows &key, const Rows &value, int64_t batch) const {
    using namespace detail;
    const attune_kernel_info &info = this->info();
    const attune_cache_info cache = this->cache();
    if (cache.value_elements == 0 && value.element_bytes)
        return fail(ATTUNE_INVALID_ARGUMENT, "value is given but " + in_text() + " has values in key; leave it out");
    const struct {
        const Rows &rows;
        int64_t head_dim, elements, scales;
        const char *head_dim_key, *scale_name, *zero_name;
        const TensorView<float> &scale, &zero;
    } tensors[] = {{key, info.head_dim, cache.key_elements, cache.key_scales, "HEAD_DIM", "cache.key_scale", "cache.key_zero", c.key_scale,
                    c.key_zero},
                   {value, info.head_dim_v, cache.value_elements, cache.value_scales, "HEAD_DIM_V", "cache.value_scale", "cache.value_zero",
                    c.value_scale, c.value_zero}};
    for (const auto &t : tensors) {
        if (t.elements == 0)
            continue;
        if (t.scales == 0) {
            if (Status s = check_rows(t.rows, t.head_dim, t.head_dim_key); !s)
                return s;
            continue;
        }
        if (t.rows.element_bytes == 0)
            return not_given(t.rows.name);
        if (t.rows.element_bytes != 1 || t.rows.shape.head_dim != t.elements)
            return fail(ATTUNE_SHAPE_MISMATCH, std::string(t.rows.name) + " has rows of " + text(t.rows.shape.head_dim) + " elements of " +
                                                   text(int64_t(t.rows.element_bytes)) + (t.rows.element_bytes == 1 ? " byte" : " bytes") +
                                                   ", but " + in_text() + " keeps " + text(t.head_dim) + " of " + cache.dtype + " in " +
                                                   text(t.elements) + " bytes; pass a view of bytes");
        const auto check_scale = [&](const char *name, const TensorView<float> &view) {
            if (!view.data && view.shape == Shape())
                return not_given(name);
            if (view.shape.head_dim != t.scales)
                return fail(ATTUNE_INVALID_ARGUMENT, std::string(name) + " has head_dim " + text(view.shape.head_dim) + " but must have " +
                                                         text(t.scales) + ", the scales of a row of " + cache.dtype);
            return same(name, view.shape, t.rows.name, t.rows.shape);
        };
        if (Status s = check_scale(t.scale_name, t.scale); !s)
            return s;
        if (!cache.has_zero_points)
            continue;
        if (Status s = check_scale(t.zero_name, t.zero); !s)
            return s;
        if (t.zero.stride_batch != t.scale.stride_batch || t.zero.stride_head != t.scale.stride_head ||
            t.zero.stride_seq != t.scale.stride_seq)
            return fail(ATTUNE_INVALID_ARGUMENT, std::string(t.zero_name) + " has other strides than " + t.scale_name);
    }
    if (cache.value_elements > 0)
        if (Status s = same("value", value.shape, "key", key.shape); !s)
            return s;
    if (cache.page_size > 0 && key.shape.seq_len != cache.page_size)
        return fail(ATTUNE_SHAPE_MISMATCH, "key has seq_len " + text(key.shape.seq_len) + ", but " + in_text() +
                                               " was generated for pages of " + text(cache.page_size) + "; generate one with PAGE_SIZE " +
                                               text(key.shape.seq_len));
    if (cache.page_size > 0 && batch > 0 && int64_t(c.page_table.size()) % batch)
        return fail(ATTUNE_INVALID_ARGUMENT, "cache.page_table has " + text(int64_t(c.page_table.size())) +
                                                 " entries but must have as many for each of the " + text(batch) + " sequences");
    const bool is_given = !c.page_table.empty() || c.key_scale.data || c.value_scale.data || c.key_zero.data || c.value_zero.data;
    if (is_given && cache.page_size == 0 && cache.key_scales == 0)
        return fail(ATTUNE_INVALID_ARGUMENT, "cache is given but " + in_text() + " has neither pages nor scales; leave it out");
    return Status();
}

inline Status Kernel::check(const AttentionArgs &a) const {
    using namespace detail;
    if (!kernel_)
        return fail(ATTUNE_NULL_POINTER, "kernel is null; attune::find returns none for a kernel that is not linked");
    const attune_kernel_info &info = this->info();
    const bool packed = !a.cu_seqlens_q.empty();
    const int64_t batch = packed ? int64_t(a.cu_seqlens_q.size()) - 1 : a.query.shape.batch;
    if (Status s = check_rows({"query", a.query.shape, a.query.element_bytes}, info.head_dim, "HEAD_DIM"); !s)
        return s;
    if (Status s = check_cache(a.cache, {"key", a.key.shape, a.key.element_bytes}, {"value", a.value.shape, a.value.element_bytes}, batch);
        !s)
        return s;
    if (Status s = check_rows({"output", a.output.shape, a.output.element_bytes}, info.head_dim_v, "HEAD_DIM_V"); !s)
        return s;
    if (Status s = same("output", a.output.shape, "query", a.query.shape); !s)
        return s;
    if (a.key.shape.batch != a.query.shape.batch && cache().page_size == 0)
        return differ("batch", "key", a.key.shape.batch, "query", a.query.shape.batch);
    if (a.pairs.element_bytes) {
        if (a.pairs.element_bytes != a.query.element_bytes)
            return fail(ATTUNE_SHAPE_MISMATCH, "pairs has elements of " + text(int64_t(a.pairs.element_bytes)) + " bytes, but kernel " +
                                                   info.name + " writes them as " + info.dtype);
        if (Status s = same("pairs", a.pairs.shape, "query", a.query.shape); !s)
            return s;
        if (a.pairs.shape.head_dim != a.key.shape.seq_len)
            return fail(ATTUNE_INVALID_ARGUMENT, "pairs has head_dim " + text(a.pairs.shape.head_dim) +
                                                     " but must have the seq_len of key, which is " + text(a.key.shape.seq_len));
    }

    if (packed && a.query.shape.batch != 1)
        return fail(ATTUNE_INVALID_ARGUMENT,
                    "query has batch " + text(a.query.shape.batch) + " but must have 1 where cu_seqlens_q divides it into sequences");
    if (Status s = check_entries("lengths_q", a.lengths_q, a.query.shape.batch); !s)
        return s;
    if (Status s = check_entries("lengths_kv", a.lengths_kv, a.query.shape.batch); !s)
        return s;
    if (Status s = check_entries("cu_seqlens_kv", a.cu_seqlens_kv, int64_t((packed ? a.cu_seqlens_q : a.cu_seqlens_kv).size())); !s)
        return s;
    const int64_t sums = batch * a.key.shape.heads * info.head_dim;
    if (Status s = check_entries("state.past", a.state.past, sums * info.head_dim_v); !s)
        return s;
    if (Status s = check_entries("state.past_key_sum", a.state.past_key_sum, sums); !s)
        return s;
    if (Status s = check_entries("state.present", a.state.present, sums * info.head_dim_v); !s)
        return s;
    if (Status s = check_entries("state.present_key_sum", a.state.present_key_sum, sums); !s)
        return s;
    return check_positions(a.positions, a.query.shape.seq_len, a.query.shape.batch);
}

inline Status Kernel::check(const AppendArgs &a) const {
    using namespace detail;
    if (!kernel_)
        return fail(ATTUNE_NULL_POINTER, "kernel is null; attune::find returns none for a kernel that is not linked");
    const int64_t batch = a.new_key.shape.batch;
    if (Status s = check_rows({"new_key", a.new_key.shape, a.new_key.element_bytes}, info().head_dim, "HEAD_DIM"); !s)
        return s;
    if (cache().value_elements > 0) {
        if (Status s = check_rows({"new_value", a.new_value.shape, a.new_value.element_bytes}, info().head_dim_v, "HEAD_DIM_V"); !s)
            return s;
        if (Status s = same("new_value", a.new_value.shape, "new_key", a.new_key.shape); !s)
            return s;
    } else if (a.new_value.element_bytes) {
        return fail(ATTUNE_INVALID_ARGUMENT, "new_value is given but " + in_text() + " has values in key; leave it out");
    }
    if (Status s = check_cache(a.cache, {"key", a.key.shape, a.key.element_bytes}, {"value", a.value.shape, a.value.element_bytes}, batch);
        !s)
        return s;
    if (a.key.shape.heads != a.new_key.shape.heads)
        return differ("heads", "key", a.key.shape.heads, "new_key", a.new_key.shape.heads);
    if (a.key.shape.batch != batch && cache().page_size == 0)
        return differ("batch", "key", a.key.shape.batch, "new_key", batch);
    if (Status s = check_entries("lengths_new", a.lengths_new, batch); !s)
        return s;
    if (Status s = check_entries("lengths_kv", a.lengths_kv, batch); !s)
        return s;
    return check_positions(a.positions, a.new_key.shape.seq_len, batch);
}

inline Status merge(const MergeArgs &m) {
    const auto fail = [](attune_status code, const std::string &text) { return Status(code, "attune: " + text); };
    const std::string dtype(m.dtype);
    const size_t bytes = dtype == "f32" ? 4 : 2;
    if (m.output.element_bytes == 0)
        return fail(ATTUNE_NULL_POINTER, "output is not given; pass a view such as attune::bhsd(data, shape)");
    const auto check_bytes = [&](const std::string &name, size_t element_bytes) {
        return element_bytes == bytes ? Status()
                                      : fail(ATTUNE_SHAPE_MISMATCH, name + " has elements of " + std::to_string(element_bytes) +
                                                                        " bytes, but dtype is " + dtype + "; give that of the kernel");
    };
    if (Status s = check_bytes("output", m.output.element_bytes); !s)
        return s;

    const auto text = [](const Shape &s) {
        return "(" + std::to_string(s.batch) + ", " + std::to_string(s.heads) + ", " + std::to_string(s.seq_len) + ", " +
               std::to_string(s.head_dim) + ")";
    };
    attune_merge_args a{};
    const auto lse_strides = [](const InputLseView &lse) { return std::array{lse.stride_batch, lse.stride_head, lse.stride_seq}; };
    std::vector<const void *> outputs;
    std::vector<const float *> lses;
    for (const MergePart &part : m.parts) {
        const std::string name = "parts[" + std::to_string(outputs.size()) + "]";
        if (Status s = check_bytes(name + ".output", part.output.element_bytes); !s)
            return s;
        if (!(part.output.shape == m.output.shape))
            return fail(ATTUNE_INVALID_ARGUMENT, name + ".output has the shape " + text(part.output.shape) +
                                                     " but must have that of output, " + text(m.output.shape));
        if (!std::ranges::equal(part.output.stride, m.parts[0].output.stride) || lse_strides(part.lse) != lse_strides(m.parts[0].lse))
            return fail(ATTUNE_INVALID_ARGUMENT, name + " has other strides than parts[0]; copy it into the same layout");
        outputs.push_back(part.output.data);
        lses.push_back(part.lse.data);
    }
    const auto set = [](int64_t(&to)[3], const auto &from) { std::copy(std::begin(from), std::end(from), to); };
    a.size = sizeof a;
    a.version = ATTUNE_MERGE_ARGS_VERSION;
    a.dtype = dtype.c_str();
    a.num_parts = int64_t(outputs.size());
    a.part_output = outputs.data();
    a.part_lse = lses.data();
    a.output = m.output.data;
    a.lse = m.lse.data;
    a.batch = m.output.shape.batch;
    a.num_heads = m.output.shape.heads;
    a.seq_len_q = m.output.shape.seq_len;
    a.head_dim_v = m.output.shape.head_dim;
    if (!m.parts.empty()) {
        set(a.stride_part_output, m.parts[0].output.stride);
        set(a.stride_part_lse, lse_strides(m.parts[0].lse));
    }
    set(a.stride_output, m.output.stride);
    set(a.stride_lse, lse_strides(m.lse));
    return Status::of(attune_merge(&a));
}

/// The cache of a call whose batch is set.
template <class From, class To>
void Kernel::convert_cache(const From &from, To &to) const {
    const attune_cache_info info = cache();
    const CacheView &c = from.cache;
    to.args.key = from.key.data;
    to.args.value = from.value.data;
    detail::set_stride(to.args.stride_key, from.key);
    detail::set_stride(to.args.stride_value, from.value);
    to.args.num_kv_heads = from.key.shape.heads;
    to.args.seq_len_kv = from.key.shape.seq_len;
    if (info.page_size == 0 && info.key_scales == 0)
        return;
    const int64_t pages = to.args.batch > 0 ? int64_t(c.page_table.size()) / to.args.batch : 0;
    if (info.page_size > 0)
        to.args.seq_len_kv = pages * info.page_size;
    to.cache = {.size = sizeof to.cache,
                .reserved = 0,
                .page_table = detail::array(c.page_table),
                .stride_page_table = pages,
                .num_pages = info.page_size > 0 ? from.key.shape.batch : 0,
                .key_scale = c.key_scale.data,
                .value_scale = c.value_scale.data,
                .key_zero = c.key_zero.data,
                .value_zero = c.value_zero.data,
                .stride_key_scale = {c.key_scale.stride_batch, c.key_scale.stride_head, c.key_scale.stride_seq},
                .stride_value_scale = {c.value_scale.stride_batch, c.value_scale.stride_head, c.value_scale.stride_seq}};
    to.args.cache = &to.cache;
}

inline void Kernel::convert(const AttentionArgs &from, CArgs<attune_attention_args> &to) const {
    using detail::array, detail::set_stride;
    to.exec = detail::exec_of(from);
    to.exec.device = from.device;
    attune_attention_args &a = to.args;
    a.size = sizeof a;
    a.version = ATTUNE_ATTENTION_ARGS_VERSION;
    a.query = from.query.data;
    a.output = from.output.data;
    a.lse = from.lse.data;
    a.batch = from.cu_seqlens_q.empty() ? from.query.shape.batch : int64_t(from.cu_seqlens_q.size()) - 1;
    a.num_heads = from.query.shape.heads;
    a.seq_len_q = from.query.shape.seq_len;
    convert_cache(from, to);
    set_stride(a.stride_query, from.query);
    set_stride(a.stride_output, from.output);
    set_stride(a.stride_pairs, from.pairs);
    a.stride_lse[0] = from.lse.stride_batch;
    a.stride_lse[1] = from.lse.stride_head;
    a.stride_lse[2] = from.lse.stride_seq;
    a.lengths_q = array(from.lengths_q);
    a.lengths_kv = array(from.lengths_kv);
    a.cu_seqlens_q = array(from.cu_seqlens_q);
    a.cu_seqlens_kv = array(from.cu_seqlens_kv);
    a.params = from.params;
    a.pairs = from.pairs.data;
    a.positions = array(from.positions);
    a.stride_positions = int64_t(from.positions.size()) == a.seq_len_q ? 0 : a.seq_len_q;
    const LinearState &s = from.state;
    if (!s.past.empty() || !s.past_key_sum.empty() || !s.present.empty() || !s.present_key_sum.empty()) {
        to.state = {sizeof to.state, 0, array(s.past), array(s.past_key_sum), array(s.present), array(s.present_key_sum)};
        a.state = &to.state;
    }
    a.exec = &to.exec;
}

inline void Kernel::convert(const AppendArgs &from, CArgs<attune_append_args> &to) const {
    using detail::array, detail::set_stride;
    to.exec = detail::exec_of(from);
    attune_append_args &a = to.args;
    a.size = sizeof a;
    a.version = ATTUNE_APPEND_ARGS_VERSION;
    a.new_key = from.new_key.data;
    a.new_value = from.new_value.data;
    a.batch = from.new_key.shape.batch;
    a.num_new = from.new_key.shape.seq_len;
    convert_cache(from, to);
    set_stride(a.stride_new_key, from.new_key);
    set_stride(a.stride_new_value, from.new_value);
    a.lengths_new = array(from.lengths_new);
    a.lengths_kv = array(from.lengths_kv);
    a.positions = array(from.positions);
    a.stride_positions = int64_t(from.positions.size()) == a.num_new ? 0 : a.num_new;
    a.exec = &to.exec;
}

inline size_t Kernel::workspace_size(const AttentionArgs &args) const {
    if (!check(args))
        return 0;
    CArgs<attune_attention_args> c;
    convert(args, c);
    return attune_kernel_workspace_size(kernel_, &c.args);
}

inline Status Kernel::operator()(const AttentionArgs &args, Workspace &workspace) const {
    if (Status status = check(args); !status)
        return status;
    CArgs<attune_attention_args> c;
    convert(args, c);
    return detail::run_in(workspace, attune_kernel_workspace_size(kernel_, &c.args), c.args,
                          [&](const auto *call) { return attune_kernel_run(kernel_, call); });
}

inline Status Kernel::append(const AppendArgs &args) const {
    if (Status status = check(args); !status)
        return status;
    CArgs<attune_append_args> c;
    convert(args, c);
    return Status::of(attune_kernel_append(kernel_, &c.args));
}

}  // namespace attune
#endif
