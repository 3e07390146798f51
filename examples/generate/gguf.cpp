#include "gguf.h"

#include "input_error.h"

#include <cstring>
#include <type_traits>
#include <utility>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace {

std::string text_of(const std::vector<int64_t> &shape) {
    std::string text = "(";
    for (int64_t extent : shape)
        text += (text.size() > 1 ? ", " : "") + std::to_string(extent);
    return text + ")";
}

// The types of values, as the format numbers them. Arrays hold any of them but arrays; only those of strings are kept.
enum ValueType : uint32_t { u8, i8, u16, i16, u32, i32, f32, boolean, string, array, u64, i64, f64 };

}  // namespace

/// Reads the header front to back; nothing is taken from after the file's end, whatever the sizes in it claim.
class Gguf::Cursor {
public:
    Cursor(const std::string &path, const std::byte *begin, std::size_t size) : path_(path), begin_(begin), size_(size) {}

    std::size_t position() const { return position_; }

    const std::byte *bytes(uint64_t count) {
        if (count > size_ - position_)
            throw InputError(path_ + ": cut off: " + std::to_string(count) + " bytes expected at byte " + std::to_string(position_) +
                             " of " + std::to_string(size_));
        position_ += count;
        return begin_ + (position_ - count);
    }
    template <class T>
    T number() {
        T value;
        std::memcpy(&value, bytes(sizeof value), sizeof value);
        return value;
    }
    std::string text() {
        const uint64_t size = number<uint64_t>();
        return {reinterpret_cast<const char *>(bytes(size)), size};
    }
    Value scalar(uint32_t type) {
        switch (type) {
        case u8:
            return int64_t{number<uint8_t>()};
        case i8:
            return int64_t{number<int8_t>()};
        case u16:
            return int64_t{number<uint16_t>()};
        case i16:
            return int64_t{number<int16_t>()};
        case u32:
            return int64_t{number<uint32_t>()};
        case i32:
            return int64_t{number<int32_t>()};
        case boolean:
            return int64_t{number<uint8_t>()};
        case u64:
            return static_cast<int64_t>(number<uint64_t>());
        case i64:
            return number<int64_t>();
        case f32:
            return double{number<float>()};
        case f64:
            return number<double>();
        case string:
            return text();
        }
        throw InputError(path_ + ": unknown type " + std::to_string(type) + " of a value, before byte " + std::to_string(position_));
    }
    Value value() {
        const uint32_t type = number<uint32_t>();
        if (type != array)
            return scalar(type);
        const uint32_t element_type = number<uint32_t>();
        std::vector<std::string> texts;
        for (uint64_t left = number<uint64_t>(); left > 0; --left) {
            Value element = scalar(element_type);
            if (element_type == string)
                texts.push_back(std::move(std::get<std::string>(element)));
        }
        return texts;
    }

private:
    const std::string &path_;
    const std::byte *begin_;
    std::size_t size_, position_ = 0;
};

Gguf::Gguf(const std::string &path) : path_(path) {
    const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    struct stat status {};
    if (file < 0 || fstat(file, &status) != 0 || !S_ISREG(status.st_mode)) {
        if (file >= 0)
            close(file);
        throw InputError(path + ": cannot read");
    }
    file_size_ = static_cast<std::size_t>(status.st_size);
    void *memory = file_size_ ? mmap(nullptr, file_size_, PROT_READ, MAP_PRIVATE, file, 0) : MAP_FAILED;
    close(file);
    if (memory == MAP_FAILED)
        throw InputError(path + ": cannot map its " + std::to_string(file_size_) + " bytes");
    file_ = static_cast<const std::byte *>(memory);
    try {
        parse();
    } catch (...) {
        munmap(const_cast<std::byte *>(file_), file_size_);
        throw;
    }
}

Gguf::~Gguf() {
    munmap(const_cast<std::byte *>(file_), file_size_);
}

void Gguf::parse() {
    Cursor cursor(path_, file_, file_size_);
    if (std::memcmp(cursor.bytes(4), "GGUF", 4) != 0)
        throw InputError(path_ + ": no GGUF file");
    if (const uint32_t version = cursor.number<uint32_t>(); version != 3)
        throw InputError(path_ + ": GGUF version " + std::to_string(version) + ", expected 3");
    const uint64_t tensors = cursor.number<uint64_t>(), values = cursor.number<uint64_t>();
    for (uint64_t i = 0; i < values; ++i) {
        std::string key = cursor.text();
        values_.insert_or_assign(std::move(key), cursor.value());
    }
    for (uint64_t i = 0; i < tensors; ++i) {
        const std::string name = cursor.text();
        Tensor tensor;
        for (uint32_t left = cursor.number<uint32_t>(); left > 0; --left)
            tensor.shape.push_back(static_cast<int64_t>(cursor.number<uint64_t>()));
        tensor.type = static_cast<WeightType>(cursor.number<uint32_t>());
        tensor.offset = cursor.number<uint64_t>();
        if (!tensors_.emplace(name, std::move(tensor)).second)
            throw InputError(path_ + ": two tensors " + name);
    }
    const int64_t alignment = values_.contains("general.alignment") ? integer("general.alignment") : 32;
    if (alignment <= 0 || alignment % 4 != 0 || alignment > 4096)
        throw InputError(path_ + ": general.alignment is " + std::to_string(alignment));
    data_ = (cursor.position() + alignment - 1) / alignment * alignment;
    for (const auto &[name, tensor] : tensors_)
        check(name, tensor, data_ < file_size_ ? file_size_ - data_ : 0, static_cast<uint64_t>(alignment));
}

void Gguf::check(const std::string &name, const Tensor &tensor, uint64_t data_size, uint64_t alignment) const {
    const std::string where = path_ + ": tensor " + name + " ";
    if (tensor.shape.empty() || tensor.shape.size() > 4)
        throw InputError(where + "has " + std::to_string(tensor.shape.size()) + " dimensions, expected 1 to 4");
    const BlockFormat *format = block_format(tensor.type);
    if (!format)
        throw InputError(where + "is of type " + std::to_string(static_cast<uint32_t>(tensor.type)) +
                         ", expected f32 (0), q4_1 (3) or q8_0 (8)");
    if (tensor.shape[0] % format->elements != 0)
        throw InputError(where + text_of(tensor.shape) + " has rows that are no multiple of " + std::to_string(format->elements));
    int64_t blocks = 1;
    for (std::size_t i = 0; i < tensor.shape.size(); ++i)
        if (tensor.shape[i] <= 0 || __builtin_mul_overflow(blocks, i == 0 ? tensor.shape[i] / format->elements : tensor.shape[i], &blocks))
            throw InputError(where + text_of(tensor.shape) + " has no size");
    if (tensor.offset % alignment != 0 || tensor.offset > data_size ||
        static_cast<uint64_t>(blocks) > (data_size - tensor.offset) / format->bytes)
        throw InputError(where + text_of(tensor.shape) + " at byte " + std::to_string(tensor.offset) + " does not lie in the " +
                         std::to_string(data_size) + " bytes of data");
}

template <class T>
const T &Gguf::value(const std::string &key, const char *kind) const {
    const auto found = values_.find(key);
    if (found == values_.end())
        throw InputError(path_ + ": no value " + key);
    if (!std::holds_alternative<T>(found->second))
        throw InputError(path_ + ": " + key + " is no " + kind);
    return std::get<T>(found->second);
}

int64_t Gguf::integer(const std::string &key) const {
    return value<int64_t>(key, "integer");
}
double Gguf::number(const std::string &key) const {
    return value<double>(key, "number");
}
const std::string &Gguf::text(const std::string &key) const {
    return value<std::string>(key, "text");
}
const std::vector<std::string> &Gguf::texts(const std::string &key) const {
    return value<std::vector<std::string>>(key, "list of texts");
}

const Gguf::Tensor &Gguf::tensor(const std::string &name, const std::vector<int64_t> &shape) const {
    const auto found = tensors_.find(name);
    if (found == tensors_.end())
        throw InputError(path_ + ": no tensor " + name);
    if (found->second.shape != shape)
        throw InputError(path_ + ": tensor " + name + " is " + text_of(found->second.shape) + ", expected " + text_of(shape));
    return found->second;
}

WeightMatrix Gguf::matrix(const std::string &name, int64_t rows, int64_t columns) const {
    const Tensor &found = tensor(name, {columns, rows});
    return {found.type, rows, columns, file_ + data_ + found.offset};
}

std::span<const float> Gguf::vector(const std::string &name, int64_t size) const {
    const Tensor &found = tensor(name, {size});
    if (found.type != WeightType::f32)
        throw InputError(path_ + ": tensor " + name + " is not f32");
    return {reinterpret_cast<const float *>(file_ + data_ + found.offset), static_cast<std::size_t>(size)};
}
