/// What objects of the trial executable call in libfmt, which many systems have as a shared library only: here it becomes part of the archive,
/// as fmt's headers define it where this macro is set.
#define FMT_HEADER_ONLY
#include <fmt/format.h>

namespace attune::cli {

// Its address makes the compiler keep it and all that it calls; extern, as a constant would be this file's own, and dropped.
extern std::string (*const trial_fmt)(fmt::string_view, fmt::format_args);
std::string (*const trial_fmt)(fmt::string_view, fmt::format_args) = fmt::vformat;

}  // namespace attune::cli
