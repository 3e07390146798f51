#include "generator/cli/picture/raster.h"

#include <array>
#include <string_view>

namespace attune::cli {
namespace {

std::string big_endian(uint32_t x) {
    return {char(x >> 24), char(x >> 16), char(x >> 8), char(x)};
}

/// ISO 3309, as PNG wants it (W3C PNG, annex D).
uint32_t crc32(std::string_view bytes) {
    static const std::array<uint32_t, 256> table = [] {
        std::array<uint32_t, 256> t{};
        for (uint32_t i = 0; i < 256; i++) {
            uint32_t c = i;
            for (int bit = 0; bit < 8; bit++)
                c = c & 1 ? 0xEDB88320u ^ c >> 1 : c >> 1;
            t[i] = c;
        }
        return t;
    }();
    uint32_t crc = 0xFFFFFFFFu;
    for (const unsigned char byte : bytes)
        crc = table[(crc ^ byte) & 255] ^ crc >> 8;
    return ~crc;
}

uint32_t adler32(std::string_view bytes) {
    uint32_t a = 1, b = 0;
    for (const unsigned char byte : bytes) {
        a = (a + byte) % 65521;
        b = (b + a) % 65521;
    }
    return b << 16 | a;
}

std::string chunk(const std::string &type, const std::string &data) {
    return big_endian(static_cast<uint32_t>(data.size())) + type + data + big_endian(crc32(type + data));
}

/// One block of the fixed code (RFC 1951, 3.2.6), whose only matches are runs of the byte before: a row that equals the one above is zeros
/// after PNG's filter.
class RunDeflate {
public:
    std::string encode(std::string_view bytes) {
        bits(1, 1);  // the last block
        bits(1, 2);  // of the fixed code
        for (size_t i = 0; i < bytes.size();) {
            size_t run = 0;
            while (i > 0 && run < longest && i + run < bytes.size() && bytes[i + run] == bytes[i - 1])
                run++;
            if (run < shortest) {
                symbol(static_cast<unsigned char>(bytes[i++]));
                continue;
            }
            length(static_cast<int>(run));
            code(0, 5);  // of the byte before
            i += run;
        }
        symbol(256);
        if (used_ > 0)
            out_ += static_cast<char>(pending_);
        return std::move(out_);
    }

private:
    static constexpr size_t shortest = 3, longest = 258;

    void bits(uint32_t value, int count) {  // the lowest first
        for (int i = 0; i < count; i++) {
            pending_ |= (value >> i & 1) << used_;
            if (++used_ == 8) {
                out_ += static_cast<char>(pending_);
                pending_ = 0, used_ = 0;
            }
        }
    }
    void code(uint32_t value, int count) {  // Huffman codes go the other way
        for (int i = count - 1; i >= 0; i--)
            bits(value >> i & 1, 1);
    }
    void symbol(int s) {
        if (s < 144)
            code(0x30 + s, 8);
        else if (s < 256)
            code(0x190 + s - 144, 9);
        else if (s < 280)
            code(s - 256, 7);
        else
            code(0xC0 + s - 280, 8);
    }
    void length(int n) {
        if (n == longest)
            return symbol(285);
        // Symbols from 257 on: eight of one length each, then groups of four with one bit more a group.
        if (n < 11)
            return symbol(254 + n);
        int extra = 1;
        while (n >= 3 + (8 << extra))
            extra++;
        const int offset = n - 3 - (4 << extra);
        symbol(261 + 4 * extra + (offset >> extra));
        bits(offset & ((1 << extra) - 1), extra);
    }

    std::string out_;
    uint32_t pending_ = 0;
    int used_ = 0;
};

}  // namespace

std::string encode_png(const Image &image) {
    const size_t row = size_t(image.width) * 3;
    std::string filtered;
    filtered.reserve((row + 1) * image.height);
    for (int y = 0; y < image.height; y++) {
        filtered += '\2';  // the difference to the row above
        for (size_t i = 0; i < row; i++)
            filtered += static_cast<char>(image.rgb[y * row + i] - (y > 0 ? image.rgb[(y - 1) * row + i] : 0));
    }
    const std::string size = big_endian(image.width) + big_endian(image.height);
    return std::string("\x89PNG\r\n\x1A\n") + chunk("IHDR", size + std::string("\x08\x02\x00\x00\x00", 5)) +  // 8 bits, RGB
           chunk("IDAT", "\x78\x01" + RunDeflate().encode(filtered) + big_endian(adler32(filtered))) + chunk("IEND", "");
}

}  // namespace attune::cli
