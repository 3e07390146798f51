#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

/// A .safetensors file, mapped into memory and checked whole before the first tensor is handed out.
/// Layout: header size (u64, little-endian), header (JSON: name -> {dtype, shape, data_offsets}), data. The tensors tile the data:
/// no gap, no overlap, nothing after the last (https://github.com/huggingface/safetensors, "Format").
class Safetensors {
public:
    struct Tensor {
        std::string dtype;           ///< "F32", "I64", …
        std::vector<int64_t> shape;  ///< outermost first
        std::size_t begin, end;      ///< bytes, from the start of the data
    };

    /// Throws InputError where the file does not exist or is malformed.
    explicit Safetensors(const std::string &path);
    ~Safetensors();
    Safetensors(const Safetensors &) = delete;
    Safetensors &operator=(const Safetensors &) = delete;

    const std::map<std::string, Tensor> &tensors() const { return tensors_; }

    /// The elements of a float32 tensor of exactly this shape, in C order; they live as long as this object. Throws InputError.
    std::span<const float> floats(const std::string &name, const std::vector<int64_t> &shape) const;

private:
    void parse();
    std::string path_;
    const std::byte *file_ = nullptr;
    std::size_t file_size_ = 0;
    std::size_t data_ = 0;  ///< offset of the data in the file
    std::map<std::string, Tensor> tensors_;
};
