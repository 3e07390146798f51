#include "onednn.h"

#include <dlfcn.h>

#include <algorithm>
#include <array>
#include <initializer_list>
#include <stdexcept>
#include <utility>

namespace attune::bench {

namespace {

// What is needed of the C interface of oneDNN 2 and 3 (https://uxlfoundation.github.io/oneDNN, "API"): every object is a pointer, every enumeration
// an int; functions return 0 for success. The versions differ in descriptions of tensors: 2 fills in a struct of the caller's (696 bytes), 3 hands
// out a pointer. Functions of both take the address of the one and the pointer of the other.
using Object = void *;
using Dims = std::array<int64_t, 12>;  // so many in both

constexpr int on_cpu = 1, in_order = 1, for_inference = 96, any_layout = 1, asks_weights = 131, asks_implementation = 8;
constexpr int arg_input = 1, arg_output = 17, arg_weights = 33, arg_bias = 41;  // of a reorder the first two: from, to

struct Argument {
    int index;
    Object memory;
};

struct Version {
    int major, minor, patch;
};

template <class Function>
Function *find(void *library, const char *name) {
    return reinterpret_cast<Function *>(dlsym(library, name));
}

struct Library {
    void *handle = nullptr;
    Version version{};
    Object engine = nullptr, stream = nullptr;

    int (*memory_create)(Object *, const void *description, Object engine, void *data);
    int (*memory_set_data)(Object memory, void *data);
    int (*memory_destroy)(Object);
    size_t (*description_size)(const void *);
    int (*primitive_create)(Object *, Object description);
    int (*primitive_execute)(Object, Object stream, int, const Argument *);
    int (*primitive_destroy)(Object);
    int (*primitive_description_destroy)(Object);
    const void *(*query_description)(Object, int what, int index);
    int (*query)(Object, int what, int index, void *result);
    int (*reorder_create)(Object *, const void *from, Object, const void *to, Object, const void *attributes);

    bool is_2() const { return version.major == 2; }
};

bool open(Library &l, const char *name) {
    if (!(l.handle = dlopen(name, RTLD_NOW | RTLD_LOCAL)))
        return false;
    const auto version = find<const Version *()>(l.handle, "dnnl_version");
    const auto engine_create = find<int(Object *, int, size_t)>(l.handle, "dnnl_engine_create");
    const auto stream_create = find<int(Object *, Object, unsigned)>(l.handle, "dnnl_stream_create");
    const std::pair<const char *, void *> functions[] = {{"dnnl_memory_create", &l.memory_create},
                                                         {"dnnl_memory_set_data_handle", &l.memory_set_data},
                                                         {"dnnl_memory_destroy", &l.memory_destroy},
                                                         {"dnnl_memory_desc_get_size", &l.description_size},
                                                         {"dnnl_primitive_create", &l.primitive_create},
                                                         {"dnnl_primitive_execute", &l.primitive_execute},
                                                         {"dnnl_primitive_destroy", &l.primitive_destroy},
                                                         {"dnnl_primitive_desc_destroy", &l.primitive_description_destroy},
                                                         {"dnnl_primitive_desc_query_md", &l.query_description},
                                                         {"dnnl_primitive_desc_query", &l.query},
                                                         {"dnnl_reorder_primitive_desc_create", &l.reorder_create}};
    for (const auto &[function, to] : functions)
        if (!(*static_cast<void **>(to) = dlsym(l.handle, function)))
            return false;
    if (!version || !engine_create || !stream_create)
        return false;
    l.version = *version();
    // OpenMP's, found in what the library is linked with; the setting is the calling thread's. A build on other threads would not be held to one.
    const auto set_threads = find<void(int)>(l.handle, "omp_set_num_threads");
    if (!set_threads)
        return false;
    set_threads(1);
    return (l.version.major == 2 || l.version.major == 3) && !engine_create(&l.engine, on_cpu, 0) &&
           !stream_create(&l.stream, l.engine, in_order);
}

/// Null where there is none, or none of a version that is known here.
const Library *library() {
    static Library found;
    static const bool is_there = open(found, "libdnnl.so.3") || open(found, "libdnnl.so.2");
    return is_there ? &found : nullptr;
}

void check(int status, const char *what) {
    if (status)
        throw std::runtime_error(std::string("oneDNN: ") + what + " failed with status " + std::to_string(status));
}

int type_of(DType dtype) {
    return dtype == DType::f32 ? 3 : dtype == DType::bf16 ? 2 : 1;
}

/// How a tensor lies in memory: dense rows, the rows of its transpose, or as the library likes it best.
enum class Layout { rows, columns, any };

/// What version 3 hands out is not given back: a few hundred bytes a shape.
class Description {
public:
    Description(const Library &l, DType dtype, std::initializer_list<int64_t> extents, Layout layout) {
        Dims dims{}, strides{};
        std::copy(extents.begin(), extents.end(), dims.begin());
        const int count = static_cast<int>(extents.size());
        if (count == 1)
            strides[0] = 1;
        else if (layout == Layout::columns)
            strides[0] = 1, strides[1] = dims[0];
        else
            strides[0] = dims[1], strides[1] = 1;
        void *to = l.is_2() ? static_cast<void *>(struct_.data()) : static_cast<void *>(&pointer_);
        if (layout == Layout::any)
            check(find<int(void *, int, const int64_t *, int, int)>(
                      l.handle, l.is_2() ? "dnnl_memory_desc_init_by_tag" : "dnnl_memory_desc_create_with_tag")(to, count, dims.data(),
                                                                                                                type_of(dtype), any_layout),
                  "a description");
        else
            check(find<int(void *, int, const int64_t *, int, const int64_t *)>(
                      l.handle, l.is_2() ? "dnnl_memory_desc_init_by_strides"
                                         : "dnnl_memory_desc_create_with_strides")(to, count, dims.data(), type_of(dtype), strides.data()),
                  "a description");
    }
    const void *get() const { return pointer_ ? pointer_ : struct_.data(); }

private:
    alignas(16) std::array<std::byte, 4096> struct_{};  // version 2; six times what it takes
    Object pointer_ = nullptr;                          // version 3
};

/// A primitive's description, or null where the library has none for these.
Object describe_layer(const Library &l, bool is_matmul, const Description &x, const Description &weight, const Description &bias,
                      const Description &y) {
    Object made = nullptr;
    if (l.is_2()) {
        alignas(16) std::array<std::byte, size_t{1} << 15> operation{};  // 5584 bytes
        const int status = is_matmul ? find<int(void *, const void *, const void *, const void *, const void *)>(
                                           l.handle, "dnnl_matmul_desc_init")(operation.data(), x.get(), weight.get(), bias.get(), y.get())
                                     : find<int(void *, int, const void *, const void *, const void *, const void *)>(
                                           l.handle, "dnnl_inner_product_forward_desc_init")(operation.data(), for_inference, x.get(),
                                                                                             weight.get(), bias.get(), y.get());
        if (!status)
            find<int(Object *, const void *, const void *, Object, const void *)>(l.handle, "dnnl_primitive_desc_create")(
                &made, operation.data(), nullptr, l.engine, nullptr);
    } else if (is_matmul) {
        find<int(Object *, Object, const void *, const void *, const void *, const void *, const void *)>(
            l.handle, "dnnl_matmul_primitive_desc_create")(&made, l.engine, x.get(), weight.get(), bias.get(), y.get(), nullptr);
    } else {
        find<int(Object *, Object, int, const void *, const void *, const void *, const void *, const void *)>(
            l.handle, "dnnl_inner_product_forward_primitive_desc_create")(&made, l.engine, for_inference, x.get(), weight.get(), bias.get(),
                                                                          y.get(), nullptr);
    }
    return made;
}

class Layer : public OneDnnLayer {
public:
    /// description: of the primitive; destroyed with this.
    Layer(const Library &l, bool is_matmul, const DenseShape &shape, Object description, const void *x, const void *bias, void *y)
        : l_(l), name_(is_matmul ? "matmul " : "inner_product "), description_(description),
          weight_(is_matmul ? Description(l, shape.dtype, {shape.in_features, shape.out_features}, Layout::columns)
                            : Description(l, shape.dtype, {shape.out_features, shape.in_features}, Layout::rows)) {
        const char *implementation = nullptr;
        if (!l_.query(description_, asks_implementation, 0, &implementation) && implementation)
            name_ += implementation;
        packed_ = l_.query_description(description_, asks_weights, 0);
        check(l_.primitive_create(&primitive_, description_), "a primitive");
        const Description rows_in(l, shape.dtype, {shape.rows, shape.in_features}, Layout::rows),
            rows_out(l, shape.dtype, {shape.rows, shape.out_features}, Layout::rows);
        arguments_ = {{{arg_input, memory(rows_in.get(), const_cast<void *>(x))},
                       {arg_weights, memory(packed_, nullptr)},
                       {arg_bias, memory(bias_of(l, is_matmul, shape).get(), const_cast<void *>(bias))},
                       {arg_output, memory(rows_out.get(), y)}}};
    }
    Layer(const Layer &) = delete;
    ~Layer() override {
        for (const Argument &argument : arguments_)
            l_.memory_destroy(argument.memory);
        l_.primitive_destroy(primitive_);
        l_.primitive_description_destroy(description_);
    }

    static Description bias_of(const Library &l, bool is_matmul, const DenseShape &shape) {
        return is_matmul ? Description(l, shape.dtype, {1, shape.out_features}, Layout::rows)
                         : Description(l, shape.dtype, {shape.out_features}, Layout::rows);
    }

    std::string name() const override { return name_; }
    size_t packed_size() const override { return l_.description_size(packed_); }
    void pack(const void *weight, void *packed) override {
        Object description = nullptr, primitive = nullptr;
        check(l_.reorder_create(&description, weight_.get(), l_.engine, packed_, l_.engine, nullptr), "a reorder");
        check(l_.primitive_create(&primitive, description), "a reorder");
        const Argument arguments[] = {{arg_input, memory(weight_.get(), const_cast<void *>(weight))},
                                      {arg_output, memory(packed_, packed)}};
        check(l_.primitive_execute(primitive, l_.stream, 2, arguments), "a reorder");
        for (const Argument &argument : arguments)
            l_.memory_destroy(argument.memory);
        l_.primitive_destroy(primitive);
        l_.primitive_description_destroy(description);
    }
    void run(const void *packed) override {
        l_.memory_set_data(arguments_[1].memory, const_cast<void *>(packed));
        check(l_.primitive_execute(primitive_, l_.stream, static_cast<int>(arguments_.size()), arguments_.data()), "a call");
    }

private:
    Object memory(const void *description, void *data) const {
        Object made = nullptr;
        check(l_.memory_create(&made, description, l_.engine, data), "a memory");
        return made;
    }

    const Library &l_;
    std::string name_;
    Object description_, primitive_ = nullptr;
    const void *packed_ = nullptr;  // of description_
    Description weight_;
    std::array<Argument, 4> arguments_{};
};

}  // namespace

std::string onednn_version() {
    const Library *l = library();
    return l ? std::to_string(l->version.major) + "." + std::to_string(l->version.minor) + "." + std::to_string(l->version.patch) : "";
}

std::vector<std::unique_ptr<OneDnnLayer>> onednn_layers(const DenseShape &shape, const void *x, const void *bias, void *y) {
    std::vector<std::unique_ptr<OneDnnLayer>> ways;
    const Library *l = library();
    for (const bool is_matmul : {false, true}) {
        if (!l)
            break;
        const int64_t in = shape.in_features, out = shape.out_features;
        const Description input(*l, shape.dtype, {shape.rows, in}, Layout::rows), output(*l, shape.dtype, {shape.rows, out}, Layout::rows);
        const Description weight =
            is_matmul ? Description(*l, shape.dtype, {in, out}, Layout::any) : Description(*l, shape.dtype, {out, in}, Layout::any);
        if (const Object description = describe_layer(*l, is_matmul, input, weight, Layer::bias_of(*l, is_matmul, shape), output))
            ways.push_back(std::make_unique<Layer>(*l, is_matmul, shape, description, x, bias, y));
    }
    return ways;
}

}  // namespace attune::bench
