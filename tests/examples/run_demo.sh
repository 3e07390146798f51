#!/bin/sh
# run_demo.sh VARIABLE PROGRAM [ARGUMENT...]: runs a demo; 77 (skip) where its model is not installed. A model that was named, by VARIABLE,
# and is broken fails.
variable=$1
shift
"$@"
code=$?
if [ $code -eq 3 ] && [ -z "$(printenv "$variable")" ] && "$1" --json 2>/dev/null | grep -q 'model is not installed'; then
    echo "skipped: the model is not installed (./dev test installs it; or set $variable)"
    exit 77
fi
exit $code
