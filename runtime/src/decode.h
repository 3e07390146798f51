/// Decode: few query rows against a long cache. Phases: what the rows are turned by, where there is rope; which chunks of keys each sequence and key/value head visits; a part of the
/// result from each of these chunks; the parts combined. A chunk is a task, so one sequence keeps all threads busy, and the parts are the
/// same for any number of threads.
#ifndef ATTUNE_SRC_DECODE_H
#define ATTUNE_SRC_DECODE_H

#include "call.h"

/// ATTUNE_OK where every sequence has at most as many rows as the kernel takes.
attune_status attune_check_decode_rows(const attune_call *call);
/// Fills what decode adds to call's plan: tasks, and the workspace for lists and parts. false where that would not fit into an address space.
bool attune_plan_decode(attune_call *call);
/// The same of each worker's slot: lists of rows and collected scales.
void attune_plan_decode_slot(attune_call *call);
attune_status attune_run_decode(const attune_call *call);

#endif
