#include "threads.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

/// 0: not asked yet. Kept after the first question, so that attune_kernel_workspace_size and the call it is for agree.
static atomic_int current;

static int32_t cpus_of_this_process(void) {
    cpu_set_t cpus;
    if (sched_getaffinity(0, sizeof cpus, &cpus) == 0)
        return CPU_COUNT(&cpus);
    long online = sysconf(_SC_NPROCESSORS_ONLN);  // machines with more CPUs than a cpu_set_t holds
    return online > 0 ? (int32_t)online : 1;
}

static int32_t clamp_threads(long count) {
    return (int32_t)(count > ATTUNE_MAX_THREADS ? ATTUNE_MAX_THREADS : count);
}

static int32_t default_threads(void) {
    const char *text = getenv("ATTUNE_NUM_THREADS");
    if (text && *text) {
        char *end;
        long count = strtol(text, &end, 10);
        if (!*end && count > 0)
            return clamp_threads(count);
    }
    return clamp_threads(cpus_of_this_process());
}

int32_t attune_num_threads(void) {
    int known = atomic_load_explicit(&current, memory_order_relaxed);
    if (known)
        return known;
    int found = default_threads();
    // Where another thread set a number meanwhile, that one holds.
    return atomic_compare_exchange_strong(&current, &known, found) ? found : known;
}

void attune_set_num_threads(int32_t num_threads) {
    atomic_store_explicit(&current, num_threads > 0 ? clamp_threads(num_threads) : 0, memory_order_relaxed);
}

int32_t attune_threads_of(const attune_exec *exec) {
    return clamp_threads(exec && exec->num_threads > 0 ? exec->num_threads : attune_num_threads());
}
