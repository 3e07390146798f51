#include "generator/cli/spec_flags.h"

#include "generator/cli/block_lists.h"
#include "generator/cli/presets.h"
#include "generator/spec/error.h"
#include "generator/spec/keys.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdlib>

namespace attune::cli {

namespace {

/// `find` of a name, where an error says who gave it.
template <class Find>
const CpuTarget &named_target(const std::string &name, const std::string &origin, Find find) {
    try {
        return find(name);
    } catch (const Error &error) {
        ErrorDetails details = error.details();
        details.argument = origin;
        throw Error(details);
    }
}

}  // namespace

void declare_spec_flags(Flags &flags) {
    flags.positional("SPEC", "specification: a TOML file, or a name of 'attune list --presets'; flags override its keys");
    for (const SpecKey &key : spec_keys()) {
        const std::string flag = key.flag_name();
        if (flag.empty() || flags.declares(flag))
            continue;
        if (key.kind == KeyKind::later)
            flags.hidden(flag);  // the validator refuses it by name
        else if (key.kind == KeyKind::declarations)
            flags.list(flag, key.type, fmt::format("{} [{}]", key.help, key.otherwise));
        else
            flags.value(flag, key.type, fmt::format("{} [{}]", key.help, key.otherwise));
    }
}

RawSpec raw_spec(const Flags &flags) {
    RawSpec raw;
    if (flags.has("SPEC"))
        raw = read_spec_file(spec_file(flags.text("SPEC")));
    for (const SpecKey &key : spec_keys())
        if (const std::string flag = key.flag_name(); !flag.empty() && flags.has(flag)) {
            const bool is_file = takes_block_lists(flags) && key.key() == "kernel.block_mask" && is_array_file(flags.text(flag));
            set_spec_flag(raw, key.key(), is_file ? "csr" : fmt::format("{}", fmt::join(flags.all(flag), "; ")), flag);
        }
    return raw;
}

std::vector<std::string> spec_words(const Flags &flags) {
    std::vector<std::string> words;
    if (flags.has("SPEC"))
        words.push_back(flags.text("SPEC"));
    for (const SpecKey &key : spec_keys())
        if (const std::string flag = key.flag_name(); !flag.empty() && flags.has(flag))
            for (const std::string &value : flags.all(flag))
                words.insert(words.end(), {flag, value});
    return words;
}

void declare_target_flag(Flags &flags) {
    flags.value("--target", "T", "sse41, avx2, avx512, avx512_bf16, amx, cuda, opencl, or auto, the best CPU target that runs here [auto]");
}

const CpuTarget &target_to_run(const Flags &flags, const AttentionSpec &spec) {
    std::string name = flags.text("--target"), origin = "--target";
    if (const char *forced = std::getenv("ATTUNE_FORCE_TARGET"); !flags.has("--target") && forced && *forced) {
        name = forced;
        origin = "ATTUNE_FORCE_TARGET";
    }
    unsetenv("ATTUNE_FORCE_TARGET");
    if (name.empty() || name == "auto")
        return runnable_target("auto", spec.targets, spec.types());
    return named_target(name, origin,
                        [&](const std::string &word) -> const CpuTarget & { return runnable_target(word, {word}, spec.types()); });
}

const CpuTarget &target_to_explain(const Flags &flags, const AttentionSpec &spec) {
    const std::string name = flags.text("--target", "auto");
    return name == "auto" ? runnable_target(name, spec.targets, spec.types()) : named_target(name, "--target", cpu_target);
}

}  // namespace attune::cli
