#!/bin/sh
# Runs the demo; 77 (skip) where the model is not installed. A model that was named and is broken fails.
"$@"
code=$?
if [ $code -eq 3 ] && [ -z "$ATTUNE_MINILM" ] && "$1" --json 2>/dev/null | grep -q 'model is not installed'; then
    echo "skipped: the MiniLM model is not installed (./dev test installs it; or set ATTUNE_MINILM)"
    exit 77
fi
exit $code
