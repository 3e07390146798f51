#include "vulkan_code.h"

#include "status.h"

#include <string.h>

/// Words are read in order; past the end they are 0 and is_short is set. A name is a count of words and its characters with a 0 after them.
typedef struct reader {
    const uint32_t *words;
    size_t num_words, at;
    bool is_short;
} reader;

static uint32_t next(reader *r) {
    if (r->at < r->num_words)
        return r->words[r->at++];
    r->is_short = true;
    return 0;
}

static const char *next_name(reader *r) {
    const uint32_t count = next(r);
    const char *name = (const char *)(r->words + r->at);
    if (count == 0 || count > r->num_words - r->at || !memchr(name, 0, (size_t)count * 4)) {
        r->is_short = true;
        return "";
    }
    r->at += count;
    return name;
}

/// What goes before the SPIR-V of a module. Layout: words of all this; number of descriptor sets, here 1; of each set: its entry point, its uniform
/// buffers, its storage buffers; specialisation constants, each a name, an id and its bytes; arrays of shared memory, each a name, the id of the
/// constant that is its size or 0, bytes of an element, elements; the ids of the constants that are the size of a work-group, or 0.
static bool read_header(reader *r, attune_vulkan_module *code) {
    const uint32_t header_words = next(r), sets = next(r);
    code->entry = next_name(r);
    code->num_uniforms = next(r);
    code->num_buffers = next(r);
    code->num_constants = next(r);
    for (uint32_t i = 0; i < code->num_constants && !r->is_short; i++)
        next_name(r), next(r), next(r);
    const uint32_t arrays = next(r);
    code->shared_bytes = 0;
    for (uint32_t i = 0; i < arrays && !r->is_short; i++) {
        next_name(r), next(r);
        const uint64_t element_bytes = next(r), elements = next(r);
        code->shared_bytes += element_bytes * elements;
    }
    for (int i = 0; i < 3; i++)
        next(r);
    return !r->is_short && sets == 1 && code->num_uniforms <= 1 && r->at == header_words;
}

static bool find(const uint32_t *image, size_t num_words, const char *entry, attune_vulkan_module *code, bool *is_there) {
    // The number of modules; bytes and name of each; the modules.
    reader r = {.words = image, .num_words = num_words};
    const uint32_t modules = next(&r);
    size_t start = 0, words_before = 0, words = 0;
    *is_there = false;
    for (uint32_t i = 0; i < modules && !r.is_short; i++) {
        const uint32_t bytes = next(&r);
        const bool is_it = strcmp(next_name(&r), entry) == 0;
        if (is_it) {
            start = words_before;
            words = bytes / 4;
            *is_there = true;
        }
        words_before += bytes / 4;
    }
    start += r.at;
    if (r.is_short || r.at + words_before > num_words)
        return false;
    if (!*is_there)
        return true;
    reader module = {.words = image + start, .num_words = words};
    enum { spirv = 0x07230203, spirv_header = 5 };
    if (!read_header(&module, code) || strcmp(code->entry, entry) != 0 || words - module.at < spirv_header ||
        module.words[module.at] != spirv)
        return false;
    code->words = module.words + module.at;
    code->num_words = words - module.at;
    return true;
}

attune_status attune_find_vulkan_code(const uint32_t *image, size_t num_words, const char *entry, attune_vulkan_module *code) {
    bool is_there;
    if (!find(image, num_words, entry, code, &is_there))
        return attune_fail(ATTUNE_INTERNAL, "the code of kernel function %s is not SPIR-V as it was generated; generate it again", entry);
    if (!is_there)
        return attune_fail(ATTUNE_DEVICE, "the code has no kernel function %s", entry);
    if (code->num_constants)
        return attune_fail(ATTUNE_INTERNAL, "kernel function %s has work-groups or shared memory of no constant size; please report it",
                           entry);
    return ATTUNE_OK;
}

bool attune_next_vulkan_capability(const attune_vulkan_module *code, size_t *at, uint32_t *capability) {
    enum { header_words = 5, op_capability = 17 };
    if (*at == 0)
        *at = header_words;
    if (*at + 2 > code->num_words || code->words[*at] != (2u << 16 | op_capability))  // they come first, 2 words each
        return false;
    *capability = code->words[*at + 1];
    *at += 2;
    return true;
}
