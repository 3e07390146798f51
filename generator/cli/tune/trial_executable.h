#pragma once
#include "generator/backend/target.h"
#include "generator/cli/session.h"

#include <string>
#include <vector>

namespace attune::cli {

/// Links a self-contained program: kernels, the job as JSON (trial_job.h), and trial_main.cpp with what it needs, statically, so that nothing but
/// the operating system's kernel is wanted where it runs. The C++ driver is $CXX, else c++, or of neon aarch64-linux-gnu-g++.
class TrialLinker {
public:
    /// folder: for what is linked. flags: more words for the driver, as a shell reads them: "--sysroot=/opt/board".
    TrialLinker(std::string folder, std::string flags);

    /// target: of the kernels. archives: theirs, which are all kept. Returns the program's path. Throws Error(target) with the linker's first complaint.
    std::string link(const CpuTarget &target, const Json &job, const std::vector<std::string> &archives);

private:
    const std::string folder_, flags_;
    int linked_ = 0;
};

}  // namespace attune::cli
