#pragma once
#include "weight_matrix.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <variant>
#include <vector>

/// A GGUF file of version 3, mapped into memory and checked whole before the first tensor is handed out.
/// Layout, little-endian: "GGUF", version (u32), number of tensors and of values (u64), values (key, type, value), tensors (name, shape,
/// type, offset), padding, data (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md).
/// Each function throws InputError where the file has no such value or tensor.
class Gguf {
public:
    explicit Gguf(const std::string &path);
    ~Gguf();
    Gguf(const Gguf &) = delete;
    Gguf &operator=(const Gguf &) = delete;

    int64_t integer(const std::string &key) const;
    double number(const std::string &key) const;
    const std::string &text(const std::string &key) const;
    const std::vector<std::string> &texts(const std::string &key) const;

    /// The tensor of exactly this shape; it lives as long as this object.
    WeightMatrix matrix(const std::string &name, int64_t rows, int64_t columns) const;
    std::span<const float> vector(const std::string &name, int64_t size) const;

private:
    using Value = std::variant<int64_t, double, std::string, std::vector<std::string>>;
    struct Tensor {
        std::vector<int64_t> shape;  ///< innermost first
        WeightType type;
        uint64_t offset;  ///< bytes, from the start of the data
    };
    class Cursor;

    void parse();
    void check(const std::string &name, const Tensor &tensor, uint64_t data_size, uint64_t alignment) const;
    template <class T>
    const T &value(const std::string &key, const char *kind) const;
    const Tensor &tensor(const std::string &name, const std::vector<int64_t> &shape) const;

    std::string path_;
    const std::byte *file_ = nullptr;
    std::size_t file_size_ = 0;
    std::size_t data_ = 0;  ///< offset of the data in the file
    std::map<std::string, Value> values_;
    std::map<std::string, Tensor> tensors_;
};
