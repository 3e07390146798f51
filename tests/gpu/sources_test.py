"""Sources for Metal, Direct3D 12 and WebGPU of every ready prefill specification: that `attune build` writes them, and what can be known of them here.

usage: sources_test.py ATTUNE SPECS
WGSL goes through naga to a pipeline, where the Python package wgpu and a Vulkan device (lavapipe) are; HLSL through glslangValidator, where that is.
Metal has no compiler outside macOS. None of the three is executed.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

TARGETS = {"metal": "metal", "d3d12": "hlsl", "webgpu": "wgsl"}
SHARED_BYTES = {"metal": 32 << 10, "d3d12": 32 << 10, "webgpu": 16 << 10}  # what every device has
OTHERS = [["--dtype", "f32", "--head-dim", "20", "--mask", "none"],                 # no multiple of a vector
          ["--dtype", "f16", "--head-dim", "64", "--mask", "causal && window(255)"],
          ["--dtype", "f32", "--head-dim", "192", "--mask", "causal"],  # 16 KB of shared memory: the smallest blocks
          ["--dtype", "bf16", "--head-dim", "64", "--mask", "document(ids) && causal", "--params", "ids: i32[b, kv] nondecreasing"],
          ["--dtype", "f32", "--head-dim", "64", "--mask", "causal", "--params", "m: f32[h]", "--score", "alibi(m)"]]


def prefill_presets(specs):
    for file in sorted(os.listdir(specs)):
        path = os.path.join(specs, file)
        if file.endswith(".toml"):
            with open(path) as text:
                if '"decode"' not in text.read():
                    yield [path]


def build(attune, arguments, target, folder):
    """The source; stops the test where there is none."""
    result = subprocess.run([attune, "build", *arguments, "--name", "attention", "--target", target, "-o", folder], capture_output=True, text=True)
    path = os.path.join(folder, f"attention_{target}.{TARGETS[target]}")
    if result.returncode or not os.path.exists(path):
        return None, f"exit code {result.returncode}: {result.stderr}"
    with open(path) as file:
        return file.read(), ""


def shared_bytes(target, text):
    """What work-groups take by the source's own words; Metal's is an argument of the launch."""
    pattern = {"d3d12": r"groupshared (float|uint|int) \w+ ?\[(\d+)\]", "webgpu": r"var<workgroup> \w+ : array<(f32|u32|i32), (\d+)>"}.get(target)
    return sum(4 * int(count) for _, count in re.findall(pattern, text)) if pattern else 0


class Wgsl:
    """naga, and Mesa behind it."""

    def __init__(self):
        import wgpu
        adapter = wgpu.gpu.request_adapter_sync(power_preference="low-power")
        self.device, self.refused = adapter.request_device_sync(), wgpu.GPUValidationError

    def problem(self, text):
        # An application gives these values when it makes the pipeline; the largest groups that kernels have.
        for name, value in {"wgsize_x": 16, "wgsize_y": 16, "wgsize_z": 1, "workgroup_mem_bytes": 16384}.items():
            text = text.replace(f"override {name} : u32;", f"const {name} : u32 = {value}u;")
        entry = re.search(r"@compute[^{]*?fn\s+(\w+)", text)
        try:
            module = self.device.create_shader_module(code=text)
            self.device.create_compute_pipeline(layout="auto", compute={"module": module, "entry_point": entry[1]})
        except self.refused as error:
            return str(error)
        return ""


class Hlsl:
    """glslang's parser of HLSL, which does not know how Halide spells numbers for Direct3D's own compiler (1.#INF)."""

    def __init__(self):
        self.program = shutil.which("glslangValidator")
        if not self.program:
            raise OSError("glslangValidator is not installed (Debian: glslang-tools)")

    def problem(self, text):
        for spelled, bits in (("-1.#INF", "0xff800000"), ("+1.#INF", "0x7f800000"), ("1.#IND", "0x7fc00000")):
            text = text.replace(spelled, f"asfloat({bits}u)")
        entry = re.search(r"numthreads[^\]]*\]\s*void (\w+)", text)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "kernel.hlsl")
            with open(path, "w") as file:
                file.write(text)
            result = subprocess.run([self.program, "-D", "-V", "-S", "comp", "-e", entry[1], path, "-o", os.path.join(folder, "kernel.spv")],
                                    capture_output=True, text=True)
        return result.stdout if result.returncode else ""


def validators():
    found = {}
    for target, kind in (("webgpu", Wgsl), ("d3d12", Hlsl)):
        try:
            found[target] = kind()
        except Exception as error:  # no package, no device, no program: what a machine lacks is no failure
            print(f"{TARGETS[target]} is not validated: {error}")
    return found


def main():
    attune, specs = sys.argv[1:3]
    known = validators()
    failures = 0
    for arguments in [*prefill_presets(specs), *OTHERS]:
        for target in TARGETS:
            with tempfile.TemporaryDirectory() as folder:
                text, problem = build(attune, arguments, target, folder)
            if text is not None:
                bytes_of_group = shared_bytes(target, text)
                if bytes_of_group > SHARED_BYTES[target]:
                    problem = f"{bytes_of_group} bytes of shared memory"
                elif target == "metal" and not re.search(r"kernel void \w+\(", text):
                    problem = "no kernel in it"
                elif target in known:
                    problem = known[target].problem(text)
            print(f"{' '.join(os.path.basename(a) for a in arguments):80}{target:8}{len(text or '') >> 10:>6} KB  {'FAILED ' + problem if problem else 'ok'}", flush=True)
            failures += bool(problem)
    # Ranges of keys that 32-bit integers do not hold are refused, by what they come from.
    for target in TARGETS:
        with tempfile.TemporaryDirectory() as folder:
            _, problem = build(attune, ["--head-dim", "64", "--mask", "causal && window(w)", "--params", "w: i32"], target, folder)
        if "exit code 4" not in problem or "mask is causal && window(w), expected what 32-bit integers hold" not in problem:
            print(f"FAILED {target}: a window of 32 bits is not refused: {problem}")
            failures += 1
    return failures > 0


if __name__ == "__main__":
    sys.exit(main())
