#include "generator/cli/npy/npy.h"

namespace attune {
namespace {

struct Type {
    const char *dtype, *name;
    size_t size;
};
const Type types[] = {{"<f4", "float32", 4}, {"<f2", "float16", 2}, {"<u2", "uint16", 2},
                      {"<i4", "int32", 4},   {"<i8", "int64", 8},   {"|u1", "uint8", 1}, {"|b1", "bool", 1}};

}  // namespace

int64_t NpyArray::size() const {
    int64_t n = 1;
    for (const int64_t extent : shape)
        if (extent == 0) return 0;
    for (const int64_t extent : shape) n *= extent;
    return n;
}

size_t npy_element_size(const std::string &dtype) {
    for (const Type &t : types)
        if (dtype == t.dtype) return t.size;
    return 0;
}

std::string npy_dtype_name(const std::string &dtype) {
    for (const Type &t : types)
        if (dtype == t.dtype) return t.name;
    return dtype;
}

std::string npy_shape_text(const std::vector<int64_t> &shape) {
    std::string out = "(";
    for (size_t i = 0; i < shape.size(); i++) out += (i > 0 ? ", " : "") + std::to_string(shape[i]);
    return out + (shape.size() == 1 ? ",)" : ")");
}

}  // namespace attune
