/// The allocator of generated code: a stack in the caller's workspace. Allocating moves `used` up, freeing moves it back.
#include "attune/kernel.h"

static const size_t alignment = 64;  // a cache line and a zmm register

void *attune_malloc(void *scratch, size_t bytes) {
    attune_scratch *s = scratch;
    size_t left = s->size - s->used;
    if (bytes > left)
        return NULL;
    size_t rounded = (bytes + alignment - 1) / alignment * alignment;
    if (rounded > left || rounded < bytes)
        return NULL;
    uint8_t *block = s->base + s->used;
    s->used += rounded;
    return block;
}

void attune_free(void *scratch, void *pointer) {
    attune_scratch *s = scratch;
    if (pointer)
        s->used = (size_t)((uint8_t *)pointer - s->base);
}
