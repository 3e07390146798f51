#!/bin/sh
# OpenMPI, or any launcher that tells a process its number:  tune_mpi.sh [JOBS [RANKS [FLAGS OF attune tune ...]]]
# Each rank tunes its part of the list and writes rows_<rank>.jsonl, then the rows are merged into tuned.jsonl. MPI only starts the processes: no
# rank knows of another. ATTUNE is the program, MPIRUN the launcher and its own flags (hosts, --allow-run-as-root). Exits with 1 where a job failed.
set -eu
if [ -n "${OMPI_COMM_WORLD_RANK:-}" ]; then  # this process is a rank
  part=$((OMPI_COMM_WORLD_RANK + 1))
  jobs=$1
  shift 2
  # A file tells of failures: mpirun would end all ranks with the first that exits with another code than 0.
  "${ATTUNE:-attune}" tune --jobs "$jobs" --shard "$part/$OMPI_COMM_WORLD_SIZE" --db "rows_$part.jsonl" --quiet "$@" || : >"failed_$part"
  exit 0
fi
jobs=${1:-jobs.txt}
ranks=${2:-4}
if [ $# -ge 2 ]; then shift 2; else shift $#; fi
rm -f failed_*
# One rank a node, and all of its cores: neighbours on a node would be in the measured times.
${MPIRUN:-mpirun --map-by node --bind-to none} -n "$ranks" "$0" "$jobs" "$ranks" "$@"
"${ATTUNE:-attune}" db merge rows_*.jsonl -o tuned.jsonl
status=0
for failed in failed_*; do
  if [ -e "$failed" ]; then
    echo "tune_mpi.sh: part ${failed#failed_} of $ranks has jobs that failed" >&2
    status=1
  fi
done
exit $status
