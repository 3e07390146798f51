# An application's kernels on each target that this CPU has; the others say why they are skipped.
. "$(dirname "$0")/common.sh"
build=$WORK/build
configure_consumer "$here/targets" "$build"
run "$CMAKE" --build "$build"
run "$build/app"
for target in sse41 avx2 avx512 avx512_vnni avx512_bf16 avx512_fp16 amx; do
    echo "# $target"
    ATTUNE_FORCE_TARGET=$target run "$build/app"
done
[[ $(ATTUNE_FORCE_TARGET=sse41 "$build/app" | grep -c 'ran on sse41') == 4 ]] || fail "not every kernel runs on sse41"
