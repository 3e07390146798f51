/// The allocator of generated code: a stack in the caller's workspace. Allocating moves `used` up; a block that is freed below others waits
/// for them, since Halide frees in the order of last use. A footer after each block says where it begins.
#include "attune/kernel.h"

enum { alignment = 64 };  // a cache line and a zmm register; also the size of a footer

typedef struct footer {
    size_t begin;  // offset of the block
    size_t freed;
} footer;

static footer *footer_before(const attune_scratch *s, size_t end) {
    return (footer *)(void *)(s->base + end - alignment);
}

void *attune_malloc(void *scratch, size_t bytes) {
    attune_scratch *s = scratch;
    size_t room = (s->size - s->used) / alignment * alignment;
    if (room < alignment || bytes > room - alignment)
        return NULL;
    size_t begin = s->used;
    s->used += (bytes + alignment - 1) / alignment * alignment + alignment;
    *footer_before(s, s->used) = (footer){.begin = begin};
    return s->base + begin;
}

void attune_free(void *scratch, void *pointer) {
    attune_scratch *s = scratch;
    for (size_t end = s->used; end > 0; end = footer_before(s, end)->begin) {  // a handful of blocks at most
        footer *block = footer_before(s, end);
        if (s->base + block->begin == (uint8_t *)pointer) {
            block->freed = 1;
            break;
        }
    }
    while (s->used > 0 && footer_before(s, s->used)->freed)
        s->used = footer_before(s, s->used)->begin;
}
