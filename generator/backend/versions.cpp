#include "generator/backend/kernel.h"

#include <llvm/Config/llvm-config.h>

#include <cstring>
#include <link.h>

namespace attune {

std::string halide_version() {
    return ATTUNE_HALIDE_VERSION;
}
std::string llvm_version() {
    return LLVM_VERSION_STRING;
}

std::string build_id() {
    // The linker's build id of this executable: it changes whenever the generator does.
    std::string id;
    dl_iterate_phdr(
        [](dl_phdr_info *info, size_t, void *data) {
            for (int i = 0; i < info->dlpi_phnum; i++) {
                const ElfW(Phdr) &header = info->dlpi_phdr[i];
                if (header.p_type != PT_NOTE)
                    continue;
                const char *note = reinterpret_cast<const char *>(info->dlpi_addr + header.p_vaddr);
                const char *end = note + header.p_memsz;
                while (note + sizeof(ElfW(Nhdr)) <= end) {
                    const auto *n = reinterpret_cast<const ElfW(Nhdr) *>(note);
                    const char *name = note + sizeof(*n), *description = name + ((n->n_namesz + 3) & ~3u);
                    if (n->n_type == NT_GNU_BUILD_ID && n->n_namesz == 4 && std::memcmp(name, "GNU", 4) == 0) {
                        static const char digits[] = "0123456789abcdef";
                        for (unsigned b = 0; b < n->n_descsz; b++) {
                            const unsigned char byte = static_cast<unsigned char>(description[b]);
                            static_cast<std::string *>(data)->append({digits[byte >> 4], digits[byte & 15]});
                        }
                        return 1;
                    }
                    note = description + ((n->n_descsz + 3) & ~3u);
                }
            }
            return 1;  // the executable comes first; nothing else matters
        },
        &id);
    return id.empty() ? ATTUNE_VERSION : id;
}

}  // namespace attune
