#include "tasks.h"

#include "float_mode.h"
#include "parallel.h"
#include "status.h"

#include <stdatomic.h>

typedef struct claims {
    const attune_tasks *tasks;
    atomic_llong next, done;
    atomic_int failed_code;
} claims;

static void run_worker(void *data, int32_t index) {
    claims *c = data;
    const attune_tasks *tasks = c->tasks;
    if (index < 0 || index >= tasks->workers)
        return;  // a foreign parallel_for miscounts; `done` tells whether work is missing
    const attune_float_mode callers_mode = attune_enter_float_mode();
    int64_t task;
    while (!atomic_load_explicit(&c->failed_code, memory_order_relaxed) && (task = atomic_fetch_add(&c->next, 1)) < tasks->count) {
        const int code = tasks->run(tasks->data, index, task);
        if (code)
            atomic_store(&c->failed_code, code);
        else
            atomic_fetch_add(&c->done, 1);
    }
    attune_leave_float_mode(callers_mode);
}

attune_status attune_run_tasks(const attune_tasks *tasks, const attune_exec *exec, int *failed_code) {
    claims c = {.tasks = tasks};
    const attune_parallel_for parallel_for = exec && exec->parallel_for ? exec->parallel_for : attune_pool_parallel_for;
    int code = 0;
    if (tasks->workers <= 1)
        run_worker(&c, 0);
    else
        code = parallel_for(exec ? exec->parallel_context : NULL, tasks->workers, run_worker, &c);
    *failed_code = atomic_load(&c.failed_code);
    if (!*failed_code && (code || atomic_load(&c.done) != tasks->count))
        return attune_fail(ATTUNE_INTERNAL, "parallel_for returned %d but must return 0 after running its %d bodies", code, tasks->workers);
    return ATTUNE_OK;
}
