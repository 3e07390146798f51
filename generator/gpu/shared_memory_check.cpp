#include "generator/gpu/shared_memory_check.h"

#include "generator/spec/error.h"

#include <fmt/format.h>

#include <map>
#include <regex>
#include <vector>

namespace attune {

namespace {

using namespace Halide::Internal;

/// What Halide calls the one allocation that a block's stages become: stages that share memory stand beside each other, "allocgroup__A.0_C.3__B.2", each
/// with the number of its time.
constexpr const char *prefix = "allocgroup__";

/// Stage -> the number of the memory that it has.
std::map<std::string, int> memories_of(std::string text) {
    std::map<std::string, int> memories;
    static const std::regex member("(.+?)\\.[0-9]+(_|$)");
    text.erase(0, std::string(prefix).size());
    for (int memory = 0; !text.empty(); memory++) {
        const size_t end = std::min(text.find("__"), text.size());
        const std::string stages = text.substr(0, end);
        for (std::sregex_iterator it(stages.begin(), stages.end(), member), none; it != none; ++it)
            memories[(*it)[1]] = memory;
        text.erase(0, std::min(end + 2, text.size()));
    }
    return memories;
}

class CheckSharedMemory : public IRMutator {
public:
    using IRMutator::mutate;
    Stmt mutate(const Stmt &s) override { return IRMutator::mutate(s); }

private:
    using IRMutator::visit;

    Stmt visit(const Allocate *op) override {
        if (op->memory_type == Halide::MemoryType::GPUShared && op->name.starts_with(prefix))
            memories_ = memories_of(op->name);
        return IRMutator::visit(op);
    }

    Stmt visit(const For *op) override {
        const bool turns = op->for_type == ForType::Serial;
        loops_ += turns;
        const Stmt result = IRMutator::visit(op);
        loops_ -= turns;
        return result;
    }

    Stmt visit(const ProducerConsumer *op) override {
        if (op->is_producer) {
            for (const auto &[read, loops] : read_)
                if (loops < loops_ && read != op->name && memory_of(read) >= 0 && memory_of(read) == memory_of(op->name))
                    throw internal_error(
                        "shared memory",
                        fmt::format("{} has the memory of {}, which is read in every turn of a loop around it", op->name, read));
            return IRMutator::visit(op);
        }
        read_.emplace_back(op->name, loops_);
        const Stmt result = IRMutator::visit(op);
        read_.pop_back();
        return result;
    }

    /// -1: none that is shared. The values of a tuple are named after it, "state.1"; the first stands for all.
    int memory_of(const std::string &stage) const {
        for (const std::string &name : {stage, stage + ".0"})
            if (const auto found = memories_.find(name); found != memories_.end())
                return found->second;
        return -1;
    }

    std::map<std::string, int> memories_;            ///< of the allocation around
    std::vector<std::pair<std::string, int>> read_;  ///< stages that may be read here, and the serial loops around where that began
    int loops_ = 0;
};

}  // namespace

void check_shared_memory(Halide::Pipeline &pipeline) {
    pipeline.add_custom_lowering_pass(new CheckSharedMemory);
}

}  // namespace attune
