#pragma once
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

/// Bytes of a GGUF file, written from the format's description and not from the reader.
class GgufWriter {
public:
    void integer(std::string_view key, uint32_t value) { (put_key(key, 4), put(values_, value)); }
    void number(std::string_view key, float value) { (put_key(key, 6), put(values_, value)); }
    void text(std::string_view key, std::string_view value) { (put_key(key, 8), put_text(values_, value)); }
    void texts(std::string_view key, const std::vector<std::string> &value) {
        put_key(key, 9);
        put(values_, uint32_t{8});
        put(values_, uint64_t{value.size()});
        for (const std::string &text : value)
            put_text(values_, text);
    }
    /// Shape innermost first; type 0: f32, 3: q4_1, 8: q8_0.
    void tensor(std::string_view name, const std::vector<uint64_t> &shape, uint32_t type, std::string_view data) {
        ++num_tensors_;
        put_text(tensors_, name);
        put(tensors_, static_cast<uint32_t>(shape.size()));
        for (uint64_t extent : shape)
            put(tensors_, extent);
        put(tensors_, type);
        put(tensors_, uint64_t{data_.size()});
        data_.append(data).resize((data_.size() + 31) / 32 * 32);
    }
    void floats(std::string_view name, const std::vector<uint64_t> &shape, const std::vector<float> &values) {
        tensor(name, shape, 0, {reinterpret_cast<const char *>(values.data()), values.size() * sizeof(float)});
    }

    std::string file(uint32_t version = 3) const {
        std::string file = "GGUF";
        put(file, version);
        put(file, num_tensors_);
        put(file, num_values_);
        file += values_ + tensors_;
        file.resize((file.size() + 31) / 32 * 32);
        return file + data_;
    }

private:
    template <class T>
    static void put(std::string &to, T value) {
        char bytes[sizeof value];
        std::memcpy(bytes, &value, sizeof value);
        to.append(bytes, sizeof value);
    }
    static void put_text(std::string &to, std::string_view text) {
        put(to, uint64_t{text.size()});
        to += text;
    }
    void put_key(std::string_view key, uint32_t type) {
        ++num_values_;
        put_text(values_, key);
        put(values_, type);
    }

    uint64_t num_values_ = 0, num_tensors_ = 0;
    std::string values_, tensors_, data_;
};
