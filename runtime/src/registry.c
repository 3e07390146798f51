/// Linked kernels: a list that only grows. Constructors of generated objects append to it before main, in any order and perhaps
/// from several threads (dlopen), so it needs no initialisation and no lock.
#include "attune/kernel.h"

#include <string.h>

static attune_kernel *first;

static attune_kernel *load(attune_kernel **link) {
    return __atomic_load_n(link, __ATOMIC_ACQUIRE);
}

void attune_register_kernel(attune_kernel *kernel) {
    // Another version's kernel may keep `next` elsewhere, so it cannot be listed; running it reports ATTUNE_STRUCT_SIZE.
    if (!kernel || kernel->abi != ATTUNE_KERNEL_ABI)
        return;
    attune_kernel **link = &first;
    for (;;) {
        attune_kernel *found = load(link);
        if (found == kernel)
            return;
        if (found) {
            link = &found->next;
            continue;
        }
        attune_kernel *end = NULL;
        if (__atomic_compare_exchange_n(link, &end, kernel, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
            return;
        // Another thread appended here first; look at what it appended.
    }
}

size_t attune_kernel_count(void) {
    size_t count = 0;
    for (attune_kernel *k = load(&first); k; k = load(&k->next))
        count++;
    return count;
}

const attune_kernel *attune_kernel_at(size_t index) {
    attune_kernel *k = load(&first);
    while (k && index--)
        k = load(&k->next);
    return k;
}

const attune_kernel *attune_kernel_find(const char *name) {
    if (!name)
        return NULL;
    for (attune_kernel *k = load(&first); k; k = load(&k->next))
        if (strcmp(k->info.name, name) == 0 || strcmp(k->info.id, name) == 0)
            return k;
    return NULL;
}

const attune_kernel_info *attune_kernel_describe(const attune_kernel *kernel) {
    return kernel && kernel->abi == ATTUNE_KERNEL_ABI ? &kernel->info : NULL;
}
