#pragma once
#include <map>
#include <string>
#include <vector>

namespace attune {

/// An innermost loop of machine code that multiplies: FFMA, HMMA.
struct SassLoop {
    std::string label;                   ///< where its turns begin: ".L_x_2"
    std::map<std::string, int> opcodes;  ///< how often each stands there, without modifiers: "LDS", of LDS.128
    int instructions = 0;

    int count(const std::string &opcode) const;
    /// Of all its instructions, those that do the products.
    double product_share() const { return double(count("FFMA") + count("HMMA")) / instructions; }
};

/// Of what `nvdisasm -c` prints of one kernel, in its order. A loop reaches from a label to the last branch back to it.
std::vector<SassLoop> innermost_product_loops(const std::string &listing);

}  // namespace attune
