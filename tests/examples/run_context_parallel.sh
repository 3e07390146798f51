#!/bin/sh
# run_context_parallel.sh MPIRUN PROGRAM [ARG...]: four processes on this machine, however few cores it has. 77 (skip) where there is no MPI.
mpirun=$1
shift
if ! [ -x "$mpirun" ] || [ -z "$1" ]; then
    echo "skipped: built without MPI (Debian: libopenmpi-dev, openmpi-bin; ./dev installs them)"
    exit 77
fi
options=
case $("$mpirun" --version 2>&1) in
*"Open MPI"* | *OpenRTE*)
    options="--oversubscribe --allow-run-as-root"
    # Copies between processes by the kernel need a right that containers often lack, and Open MPI then warns at each start.
    export OMPI_MCA_btl_vader_single_copy_mechanism=none
    ;;
esac
export ATTUNE_NUM_THREADS=1         # a process a core
export ASAN_OPTIONS=detect_leaks=0  # of sanitized builds: MPI keeps what it allocated
# shellcheck disable=SC2086  # split on purpose
exec "$mpirun" $options -n 4 "$@"
