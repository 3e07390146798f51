#!/usr/bin/env bash
# Draws the pictures of the gallery: make_pictures.sh [ATTUNE] [FOLDER]   (build/bin/attune and specs/pictures where not given)
# One line a picture: the preset, its shape, and what else it needs. For AVX-512's blocks, so that every machine draws the same.
set -euo pipefail
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
attune=${1:-$here/../build/bin/attune}
folder=${2:-$here/pictures}
mkdir -p "$folder"

draw() {  # PRESET SEQ_LEN_Q SEQ_LEN_KV [FLAG...]
    local name=$1 shape=h=8,sq=$2,skv=$3
    shift 3
    "$attune" explain "$here/gallery/$name.toml" --shape "$shape" --target avx512 --stage plan --picture "$folder/$name.svg" "$@" >/dev/null
}

draw causal 1024 1024
draw causal_top_left 512 1024
draw sliding_window 2048 2048
draw sliding_window_two_sided 2048 2048
draw chunked_local 2048 2048
draw prefix_lm 1024 1024 --param prefix_length=300
draw packed_documents 2048 2048
draw document_causal 2048 2048
draw dilated 2048 2048
draw sparse_transformer_strided 2048 2048
draw sparse_transformer_fixed 2048 2048
draw longformer 2048 2048 --param tokens=1
draw bigbird 4096 4096
draw streaming_llm 3072 3072
draw phi3_small_block_sparse 4096 4096
draw neighborhood_2d 1024 1024
draw neighborhood_2d_dilated 1024 1024
draw swin_shifted_window 1024 1024
draw shared_prefix 768 1280 --param prefix_length=512
draw speculative_tree 32 1024
draw duo_attention 2048 2048 --head 1
draw gpt_oss_sink 2048 2048
