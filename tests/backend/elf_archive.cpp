#include "tests/backend/elf_archive.h"

#include <cstring>
#include <elf.h>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace attune::test {

namespace {

template <typename T>
T read_at(const std::string &bytes, size_t at) {
    T value;
    if (at + sizeof(T) > bytes.size())
        throw std::runtime_error("a truncated object");
    std::memcpy(&value, bytes.data() + at, sizeof(T));
    return value;
}

void read_elf(const std::string &object, ArchiveMember &member) {
    const auto header = read_at<Elf64_Ehdr>(object, 0);
    if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0)
        throw std::runtime_error(member.name + " is no ELF object");
    const auto section = [&](size_t i) { return read_at<Elf64_Shdr>(object, header.e_shoff + i * sizeof(Elf64_Shdr)); };
    for (size_t i = 0; i < header.e_shnum; i++) {
        const Elf64_Shdr s = section(i);
        if ((s.sh_flags & SHF_ALLOC) && !(s.sh_flags & SHF_WRITE))
            member.code_bytes += static_cast<int64_t>(s.sh_size);
        if (s.sh_type != SHT_SYMTAB)
            continue;
        const Elf64_Shdr strings = section(s.sh_link);
        for (size_t at = sizeof(Elf64_Sym); at < s.sh_size; at += sizeof(Elf64_Sym)) {
            const auto symbol = read_at<Elf64_Sym>(object, s.sh_offset + at);
            if (ELF64_ST_BIND(symbol.st_info) == STB_LOCAL)
                continue;
            const std::string name = object.data() + strings.sh_offset + symbol.st_name;
            (symbol.st_shndx == SHN_UNDEF ? member.undefined : member.defined).insert(name);
        }
    }
}

}  // namespace

std::vector<ArchiveMember> read_archive(const std::string &path) {
    std::ifstream file(path, std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    if (bytes.rfind("!<arch>\n", 0) != 0)
        throw std::runtime_error(path + " is no archive");
    std::vector<ArchiveMember> members;
    std::string long_names;
    for (size_t at = 8; at + 60 <= bytes.size();) {
        std::string name = bytes.substr(at, 16);
        name.erase(name.find_last_not_of(' ') + 1);
        const size_t size = std::stoul(bytes.substr(at + 48, 10)), begin = at + 60;
        const std::string content = bytes.substr(begin, size);
        at = begin + size + size % 2;
        if (name == "/" || name == "/SYM64/")
            continue;  // the symbol table
        if (name == "//") {
            long_names = content;
            continue;
        }
        if (name[0] == '/') {
            const size_t start = std::stoul(name.substr(1));
            name = long_names.substr(start, long_names.find('/', start) - start);
        } else {
            name.erase(name.find_last_not_of('/') + 1);
        }
        members.push_back({name, {}, {}, 0});
        read_elf(content, members.back());
    }
    return members;
}

}  // namespace attune::test
