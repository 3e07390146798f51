#include "phase.h"

#include "float_mode.h"
#include "status.h"

#include <stdatomic.h>

typedef struct phase {
    const attune_call *call;
    attune_task task;
    int64_t num_tasks;
    int32_t num_workers;
    atomic_llong next, done;
    atomic_bool stopped;  // a task failed; claim no more
    int failed_code;      // of the first that failed
    const char *failed_stage;
} phase;

/// The body that parallel_for runs. Any assignment of workers to threads works: each has its own slot and the first takes all
/// tasks where the others come late or run after it.
static void run_worker(void *data, int32_t index) {
    phase *p = data;
    if (index < 0 || index >= p->num_workers)
        return;  // a foreign parallel_for miscounts; `done` tells whether work is missing
    attune_slot slot = attune_find_slot(p->call, index);
    attune_float_mode callers_mode = attune_enter_float_mode();
    int64_t task;
    while (!atomic_load_explicit(&p->stopped, memory_order_relaxed) && (task = atomic_fetch_add(&p->next, 1)) < p->num_tasks) {
        const char *stage = "";
        slot.next_task = task + p->num_workers;
        int code = p->task(p->call, &slot, task, &stage);
        if (!code) {
            atomic_fetch_add(&p->done, 1);
        } else if (!atomic_exchange(&p->stopped, true)) {
            p->failed_code = code;
            p->failed_stage = stage;
        }
    }
    attune_leave_float_mode(callers_mode);
}

attune_status attune_run_phase(const attune_call *call, int64_t num_tasks, attune_task task) {
    phase p = {.call = call, .task = task, .num_tasks = num_tasks};
    p.num_workers = num_tasks < call->num_workers ? (int32_t)num_tasks : call->num_workers;
    if (p.num_workers == 0)
        return ATTUNE_OK;
    int code = call->parallel_for(call->parallel_context, p.num_workers, run_worker, &p);
    if (code)
        return attune_fail(ATTUNE_INTERNAL, "parallel_for returned %d but must return 0 after running its %d bodies", code, p.num_workers);
    if (atomic_load(&p.stopped))
        return attune_fail(ATTUNE_INTERNAL, "kernel %s (%s) failed in its %s function with code %d; please report it",
                           call->kernel->info.name, call->variant->target, p.failed_stage, p.failed_code);
    if (atomic_load(&p.done) != num_tasks)
        return attune_fail(ATTUNE_INTERNAL, "parallel_for returned 0 but must first run each of its %d bodies", p.num_workers);
    return ATTUNE_OK;
}
