#pragma once
#include <string>
#include <vector>

namespace attune {

/// One run of a kernel for a node: its specification, and where the arguments come from. Tensors go by their names in the model.
struct ImportedKernel {
    struct Param {
        std::string name = {};
        std::string type = {};    ///< as declared: "f32[h, q, kv]"
        std::string tensor = {};  ///< its values; "": the scalar is the extent of `length_of` along the sequence
        std::string length_of = {};
        std::string pad = {};  ///< "false" or "-inf": what fills a tensor whose last extent is shorter than the keys; "": nothing may
    };
    std::string keys = {};  ///< lines of [kernel] below `name`, and [params]: equal text, equal kernel
    std::vector<Param> params = {};
    std::string lengths_kv = {};  ///< the tensor of key lengths of each sequence; "": all are full
    std::string pairs = {};       ///< what of outputs is the matrix of pairs: "logits"; "": none
};

/// What every operator's rule gives for a node.
struct ImportedNode {
    ImportedKernel kernel = {};
    /// Writes qk_matmul_output where that has another mask or score than the output; `keys` is empty where `kernel` writes it.
    ImportedKernel pairs_kernel = {};
    std::vector<std::string> notes = {};  ///< for people: what differs in precision, what the caller does
    std::string refusal = {};             ///< why it cannot be; "": it can, and all of the above holds
};

/// The specification as a file: keys with a name. `comment` lines stand above it.
std::string import_toml(const ImportedKernel &kernel, const std::string &name, const std::vector<std::string> &comment);

}  // namespace attune
