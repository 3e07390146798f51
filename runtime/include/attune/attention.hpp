/// attune/attention.h in C++20: a call reads as a sentence, shapes are checked against the kernel, errors carry their text.
///
///   attune::Kernel kernel = attune::find("minilm_attention");
///   attune::Workspace workspace;
///   attune::Shape q{.batch = 1, .heads = 12, .seq_len = 128, .head_dim = 32}, kv = q;
///   attune::Status status = kernel({.query = attune::bhsd(query, q), .key = attune::bhsd(key, kv),
///                                   .value = attune::bhsd(value, kv), .output = attune::bhsd(output, q)}, workspace);
///   if (!status) std::cerr << status.message() << '\n';
///
/// Views own nothing. Elements are float for f32 kernels and any 2-byte type (uint16_t, _Float16, Halide::float16_t …) for f16 and bf16.
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
        static_assert(std::is_same_v<std::remove_cv_t<T>, float> || sizeof(T) == 2, "elements are float, or 2 bytes wide for f16 and bf16");
    }
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

/// One call. Only query, key, value and output must be given.
struct AttentionArgs {
    InputView query;                          ///< (batch, num_heads, seq_len_q, head_dim)
    InputView key;                            ///< (batch, num_kv_heads, seq_len_kv, head_dim)
    InputView value;                          ///< (batch, num_kv_heads, seq_len_kv, head_dim_v)
    OutputView output;                        ///< (batch, num_heads, seq_len_q, head_dim_v)
    LseView lse = {};                         ///< (batch, num_heads, seq_len_q)
    std::span<const int32_t> lengths_q = {};  ///< rows in use of each sequence; empty: all
    std::span<const int32_t> lengths_kv = {};
    std::span<const int32_t> cu_seqlens_q = {};  ///< packed sequences, one entry more than sequences; views then have batch 1
    std::span<const int32_t> cu_seqlens_kv = {};
    const void *params = nullptr;                ///< the kernel's <name>_params; kernels without mask and score parameters have none
    OutputView pairs = {};                       ///< (batch, num_heads, seq_len_q, seq_len_kv as head_dim); kernels whose outputs name it
    int32_t num_threads = 0;                     ///< 0: attune_num_threads()
    attune_parallel_for parallel_for = nullptr;  ///< null: Attune's threads
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

    /// Runs it. Grows the workspace as needed; nothing else allocates, except the text of an error.
    Status operator()(const AttentionArgs &args, Workspace &workspace) const;
    /// Bytes of workspace that it needs; 0 also where args are in error.
    size_t workspace_size(const AttentionArgs &args) const;

private:
    struct CArgs {
        attune_attention_args args{};
        attune_exec exec{};
    };
    Status check(const AttentionArgs &args) const;
    static void convert(const AttentionArgs &from, CArgs &to);

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
};

/// The first linked kernel that does this and runs on this machine; one made for exactly this group before one for any group.
inline Kernel find(const KernelSpec &spec) {
    Kernel any;
    for (const Kernel &kernel : kernels()) {
        const attune_kernel_info &info = kernel.info();
        const bool fits = info.dtype == spec.dtype && info.head_dim == spec.head_dim &&
                          info.head_dim_v == (spec.head_dim_v ? spec.head_dim_v : spec.head_dim) &&
                          (!spec.mask || *spec.mask == (info.mask ? info.mask : "")) &&
                          (!spec.score || *spec.score == (info.score ? info.score : "s")) && (!spec.lse || info.has_lse);
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

inline Status Kernel::check(const AttentionArgs &a) const {
    const auto fail = [](attune_status code, const std::string &text) { return Status(code, "attune: " + text); };
    const auto text = [](int64_t n) { return std::to_string(n); };
    if (!kernel_)
        return fail(ATTUNE_NULL_POINTER, "kernel is null; attune::find returns none for a kernel that is not linked");
    const attune_kernel_info &info = this->info();
    const std::string kernel = "kernel " + std::string(info.name);

    struct Part {
        const char *name;
        const Shape &shape;
        size_t element_bytes;
        int64_t head_dim;
        const char *head_dim_key;
    };
    const Part parts[] = {{"query", a.query.shape, a.query.element_bytes, info.head_dim, "HEAD_DIM"},
                          {"key", a.key.shape, a.key.element_bytes, info.head_dim, "HEAD_DIM"},
                          {"value", a.value.shape, a.value.element_bytes, info.head_dim_v, "HEAD_DIM_V"},
                          {"output", a.output.shape, a.output.element_bytes, info.head_dim_v, "HEAD_DIM_V"}};
    const size_t bytes = std::string_view(info.dtype) == "f32" ? 4 : 2;
    for (const Part &p : parts) {
        if (p.element_bytes == 0)
            return fail(ATTUNE_NULL_POINTER, std::string(p.name) + " is not given; pass a view such as attune::bhsd(data, shape)");
        if (p.element_bytes != bytes)
            return fail(ATTUNE_SHAPE_MISMATCH, std::string(p.name) + " has elements of " + text(int64_t(p.element_bytes)) + " bytes, but " +
                                                   kernel + " was generated for " + info.dtype + "; generate one with DTYPE " +
                                                   (bytes == 4 ? "f16 or bf16" : "f32"));
        if (p.shape.head_dim != p.head_dim)
            return fail(ATTUNE_SHAPE_MISMATCH, std::string(p.name) + " has head_dim " + text(p.shape.head_dim) + ", but " + kernel +
                                                   " was generated for " + text(p.head_dim) + "; generate one with " + p.head_dim_key +
                                                   " " + text(p.shape.head_dim));
    }
    const auto differ = [&](const char *what, const char *x, int64_t of_x, const char *y, int64_t of_y) {
        return fail(ATTUNE_INVALID_ARGUMENT,
                    std::string(x) + " has " + what + " " + text(of_x) + " but must have that of " + y + ", which is " + text(of_y));
    };
    const auto same = [&](const char *x, const Shape &of_x, const char *y, const Shape &of_y) {
        if (of_x.batch != of_y.batch)
            return differ("batch", x, of_x.batch, y, of_y.batch);
        if (of_x.heads != of_y.heads)
            return differ("heads", x, of_x.heads, y, of_y.heads);
        if (of_x.seq_len != of_y.seq_len)
            return differ("seq_len", x, of_x.seq_len, y, of_y.seq_len);
        return Status();
    };
    if (Status s = same("value", a.value.shape, "key", a.key.shape); !s)
        return s;
    if (Status s = same("output", a.output.shape, "query", a.query.shape); !s)
        return s;
    if (a.key.shape.batch != a.query.shape.batch)
        return differ("batch", "key", a.key.shape.batch, "query", a.query.shape.batch);
    if (a.pairs.element_bytes) {
        if (a.pairs.element_bytes != bytes)
            return fail(ATTUNE_SHAPE_MISMATCH, "pairs has elements of " + text(int64_t(a.pairs.element_bytes)) + " bytes, but " + kernel +
                                                   " writes them as " + info.dtype);
        if (Status s = same("pairs", a.pairs.shape, "query", a.query.shape); !s)
            return s;
        if (a.pairs.shape.head_dim != a.key.shape.seq_len)
            return fail(ATTUNE_INVALID_ARGUMENT, "pairs has head_dim " + text(a.pairs.shape.head_dim) +
                                                     " but must have the seq_len of key, which is " + text(a.key.shape.seq_len));
    }

    const bool packed = !a.cu_seqlens_q.empty();
    if (packed && a.query.shape.batch != 1)
        return fail(ATTUNE_INVALID_ARGUMENT,
                    "query has batch " + text(a.query.shape.batch) + " but must have 1 where cu_seqlens_q divides it into sequences");
    const struct {
        const char *name;
        std::span<const int32_t> values;
        size_t wanted;
    } arrays[] = {{"lengths_q", a.lengths_q, size_t(a.query.shape.batch)},
                  {"lengths_kv", a.lengths_kv, size_t(a.query.shape.batch)},
                  {"cu_seqlens_kv", a.cu_seqlens_kv, packed ? a.cu_seqlens_q.size() : a.cu_seqlens_kv.size()}};
    for (const auto &array : arrays)
        if (!array.values.empty() && array.values.size() != array.wanted)
            return fail(ATTUNE_INVALID_ARGUMENT, std::string(array.name) + " has " + text(int64_t(array.values.size())) +
                                                     " entries but must have " + text(int64_t(array.wanted)));
    return Status();
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

inline void Kernel::convert(const AttentionArgs &from, CArgs &to) {
    to.exec = {.size = sizeof to.exec,
               .num_threads = from.num_threads,
               .parallel_for = from.parallel_for,
               .parallel_context = from.parallel_context,
               .stream = nullptr};
    attune_attention_args &a = to.args;
    a.size = sizeof a;
    a.version = ATTUNE_ATTENTION_ARGS_VERSION;
    a.query = from.query.data;
    a.key = from.key.data;
    a.value = from.value.data;
    a.output = from.output.data;
    a.lse = from.lse.data;
    a.batch = from.cu_seqlens_q.empty() ? from.query.shape.batch : int64_t(from.cu_seqlens_q.size()) - 1;
    a.num_heads = from.query.shape.heads;
    a.num_kv_heads = from.key.shape.heads;
    a.seq_len_q = from.query.shape.seq_len;
    a.seq_len_kv = from.key.shape.seq_len;
    for (int i = 0; i < 3; i++) {
        a.stride_query[i] = from.query.stride[i];
        a.stride_key[i] = from.key.stride[i];
        a.stride_value[i] = from.value.stride[i];
        a.stride_output[i] = from.output.stride[i];
        a.stride_pairs[i] = from.pairs.stride[i];
    }
    a.stride_lse[0] = from.lse.stride_batch;
    a.stride_lse[1] = from.lse.stride_head;
    a.stride_lse[2] = from.lse.stride_seq;
    // An empty span has no address to tell "none" from "no sequences", so both are none.
    const auto array = [](std::span<const int32_t> values) { return values.empty() ? nullptr : values.data(); };
    a.lengths_q = array(from.lengths_q);
    a.lengths_kv = array(from.lengths_kv);
    a.cu_seqlens_q = array(from.cu_seqlens_q);
    a.cu_seqlens_kv = array(from.cu_seqlens_kv);
    a.params = from.params;
    a.pairs = from.pairs.data;
    a.exec = &to.exec;
}

inline size_t Kernel::workspace_size(const AttentionArgs &args) const {
    if (!check(args))
        return 0;
    CArgs c;
    convert(args, c);
    return attune_kernel_workspace_size(kernel_, &c.args);
}

inline Status Kernel::operator()(const AttentionArgs &args, Workspace &workspace) const {
    if (Status status = check(args); !status)
        return status;
    CArgs c;
    convert(args, c);
    const size_t bytes = attune_kernel_workspace_size(kernel_, &c.args);
    if (!workspace.grow(bytes))
        return Status(ATTUNE_OUT_OF_MEMORY,
                      "attune: workspace needs " + std::to_string(bytes) + " bytes, which could not be allocated; use fewer threads");
    c.args.workspace = workspace.data();
    c.args.workspace_size = workspace.size();
    return Status::of(attune_kernel_run(kernel_, &c.args));
}

}  // namespace attune
#endif
