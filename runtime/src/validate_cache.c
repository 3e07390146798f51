/// Checks of what a cache has beside keys and values.
#include "kv_cache.h"
#include "status.h"

#include <inttypes.h>

attune_status attune_check_cache_struct(const attune_kernel *kernel, const attune_kv_cache *cache) {
    const char *needed = kernel->cache.key_scales ? "scales" : "pages";
    if (cache && !attune_needs_cache(kernel))
        return attune_fail(ATTUNE_INVALID_ARGUMENT, "cache is given but kernel %s has neither pages nor scales; pass null",
                           kernel->info.name);
    if (!cache && attune_needs_cache(kernel))
        return attune_fail(ATTUNE_NULL_POINTER, "cache is null but kernel %s needs its %s; pass an attune_kv_cache", kernel->info.name,
                           needed);
    if (!cache)
        return ATTUNE_OK;
    if (cache->size != sizeof *cache)
        return attune_fail(
            ATTUNE_STRUCT_SIZE,
            "cache.size is %u but must be sizeof(attune_kv_cache), here %zu; set it, or compile with the header of this runtime",
            cache->size, sizeof *cache);
    if (kernel->cache.layout == ATTUNE_LAYOUT_PAGED && (cache->num_pages < 0 || cache->num_pages > INT32_MAX))
        return attune_fail(ATTUNE_INVALID_ARGUMENT, "cache.num_pages is %" PRId64 " but must be within 0 .. %d, the pages of the pool",
                           cache->num_pages, INT32_MAX);
    if (kernel->cache.layout == ATTUNE_LAYOUT_PAGED && cache->stride_page_table < 0)
        return attune_fail(ATTUNE_INVALID_ARGUMENT, "cache.stride_page_table is %" PRId64 " but must not be negative",
                           cache->stride_page_table);
    return ATTUNE_OK;
}

attune_status attune_check_pages(const attune_cache_view *view, int64_t batch, int64_t first_page, int64_t keys) {
    const attune_kv_cache *cache = view->cache;
    const int64_t page_size = view->kernel->cache.page_size, pages = (keys + page_size - 1) / page_size;
    if (pages > 0 && !cache->page_table)
        return attune_fail(ATTUNE_NULL_POINTER,
                           "cache.page_table is null but sequence %" PRId64 " has %" PRId64 " pages of %" PRId64 " keys", batch, pages,
                           page_size);
    if (pages > 0 && (uintptr_t)cache->page_table % sizeof(int32_t))
        return attune_fail(ATTUNE_MISALIGNED, "cache.page_table is at %p but must be aligned to 4 bytes", (const void *)cache->page_table);
    for (int64_t i = first_page; i < pages; i++) {
        const int32_t page = cache->page_table[batch * cache->stride_page_table + i];
        if (page < 0 || page >= cache->num_pages)
            return attune_fail(ATTUNE_INDEX_RANGE,
                               "cache.page_table[%" PRId64 "] of sequence %" PRId64 " is %d but must be within 0 .. %" PRId64
                               ", the pool's pages; allocate it first",
                               i, batch, page, cache->num_pages - 1);
    }
    return ATTUNE_OK;
}

attune_status attune_check_cache(const attune_cache_view *view, const int32_t *lengths) {
    attune_status status = ATTUNE_OK;
    for (int64_t b = 0; b < view->batch && !status && view->kernel->cache.layout == ATTUNE_LAYOUT_PAGED; b++)
        status = attune_check_pages(view, b, 0, lengths ? lengths[b] : view->seq_len_kv);
    return status;
}
