#!/usr/bin/env python3
"""attune tune beyond one machine: real programs on runners that are here, an emulator, and parts of a job list.

    runner_test.py ATTUNE [GROUP...]        groups: runners remotes emulator job_list cluster; none: all

Exits 77, which CTest takes for "skipped", where a group cannot run; the output says why.
"""
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

ATTUNE = os.path.abspath(sys.argv[1])
FOLDER = tempfile.mkdtemp(prefix="attune-runner-test-")
TEMPORARY = os.path.join(FOLDER, "tmp")  # what the tuner and its programs put away; empty at the end
EXAMPLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "examples", "tune_cluster")
ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith("ATTUNE_")}
ENVIRONMENT.update(ATTUNE_CACHE_DIR=os.path.join(FOLDER, "cache"), NO_COLOR="1", TMPDIR=TEMPORARY, ATTUNE=ATTUNE)
failures = 0

KERNEL = ["--head-dim", "16", "--mask", "causal"]
FEW = ["--values", "block_q=16,32", "--values", "block_kv=16", "--values", "tile_q=1,2", "--values", "tile_kv=4", "--values", "tile_d=4", "--values", "unroll=1"]
SMALL = ["--shape", "sq=40,skv=40", "--trials", "4", *FEW, "--quiet"]


def expect(ok, words, text):
    global failures
    if not ok:
        failures += 1
        print("FAILED:", shlex.join(words), "\n   ", text)


def run(words, env=None):
    return subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd=FOLDER, env={**ENVIRONMENT, **(env or {})}, timeout=600)


def tune(*words, env=None):
    return run([ATTUNE, "tune", *words], env)


def expect_trials(words, count=4, env=None):
    r = tune(*words, "--json", env=env)
    if r.returncode != 0:
        return expect(False, words, f"exit code {r.returncode}: {r.stderr}{r.stdout[-500:]}")
    j = json.loads(r.stdout)
    expect(len(j["trials"]) == count, words, f"{len(j['trials'])} trials")
    expect(all(t["outcome"] == "ok" and t["error_share"] <= 1 for t in j["trials"]), words, [t.get("message") for t in j["trials"]])
    expect(not os.listdir(TEMPORARY), words, f"left behind: {os.listdir(TEMPORARY)}")
    return j


def expect_error(words, code, *parts):
    r = tune(*words)
    expect(r.returncode == code, words, f"exit code {r.returncode}, expected {code}: {r.stderr}")
    for part in (*parts, "expected ", "; "):
        expect(part in r.stderr, words, f"no {part!r} in: {r.stderr}")
    expect(not os.listdir(TEMPORARY), words, f"left behind: {os.listdir(TEMPORARY)}")


def write(name, text):
    with open(os.path.join(FOLDER, name), "w") as f:
        f.write(text)
    return name


def runners():
    # A machine that sees this file system, and one that gets the program on its standard input: the same answers but for times.
    kernel = [*KERNEL, "--target", "sse41", *SMALL]
    for runner in ("env {}", "sh -c", "sh -c 'cd / && {}'"):
        j = expect_trials([*kernel, "--runner", runner, "--db", "rows.jsonl", "--journal", "j.jsonl"])
        expect(j and j["machine"]["cpu"] == json.loads(run([ATTUNE, "doctor", "--json"]).stdout)["cpu"], [runner], "not this CPU")
    row = open(os.path.join(FOLDER, "rows.jsonl")).readline()
    expect("--runner" in json.loads(row)["provenance"]["command"], ["--db"], row)
    # Run-time arguments of the mask, and a cache that is read as a kernel of another phase has it.
    expect_trials(["--head-dim", "16", "--mask", "causal && window(left) && document(ids)", "--params", "left: i32", "--params", "ids: i32[b, kv] nondecreasing",
                   "--param", "left=7", "--target", "sse41", "--shape", "b=2,h=2,sq=40,skv=40", "--trials", "2", *FEW, "--quiet", "--runner", "sh -c"], 2)
    expect_trials(["--head-dim", "32", "--phases", "decode", "--kv-dtype", "i8", "--kv-layout", "paged", "--page-size", "16", "--target", "sse41", "--shape",
                   "h=2,sq=1,skv=100", "--trials", "2", "--quiet", "--runner", "sh -c"], 2)

    expect_error([*kernel, "--runner", "exit 7; :"], 4, "ended with exit code 7")
    expect_error([*kernel, "--runner", "echo rubbish; :"], 4, "no JSON: rubbish")
    expect_error([*kernel, "--runner", "/no/such/program"], 4, "exit code 127")
    expect_error([*KERNEL, *SMALL, "--runner", "env {}"], 2, "--target is auto")
    expect_error([*kernel, "--runner", "env {}", "--runner-link-flags=-lno_such_library_for_attune"], 4, "no_such_library_for_attune")
    # A program that is cut off at its third line: a trial that was at work has crashed, the rest is run again; leaders cannot be measured so.
    r = tune(*kernel, "--runner", "env {} | head -n 3", "--journal", "cut.jsonl")
    outcomes = [json.loads(line).get("outcome") for line in open(os.path.join(FOLDER, "cut.jsonl"))]
    expect(r.returncode == 1 and "a leader of the search" in r.stderr and sorted(outcomes[1:]) == ["crashed", "ok", "ok", "ok"], ["head"], f"{outcomes}: {r.stdout}{r.stderr}")


# Programs that reach another machine, as far as their command lines go: what they are told runs here, elsewhere in the tree and with an empty
# environment. ssh and adb join their words with spaces for the shell over there; docker and srun run the words as they are.
STAND_INS = {
    "ssh": """while getopts o:p:i: option; do :; done
shift $((OPTIND - 1)); [ "$1" = board ] || exit 255
shift; cd / && exec env -i PATH=/usr/bin:/bin TMPDIR="$TMPDIR" sh -c "$*" """,
    "adb": """[ "$1 $2 $3" = "-s serial shell" ] || exit 1
shift 3; cd / && exec env -i PATH=/usr/bin:/bin TMPDIR="$TMPDIR" sh -c "$*" """,
    "docker": """[ "$1 $2 $3" = "exec -i box" ] || exit 125
shift 3; cd / && exec env -i PATH=/usr/bin:/bin TMPDIR="$TMPDIR" "$@" """,
    "srun": """[ "$1 $2" = "-N1 -c2" ] || exit 1
shift 2; exec "$@" """,
}


def remotes():
    programs = os.path.join(FOLDER, "programs")
    os.mkdir(programs)
    for name, text in STAND_INS.items():
        with open(os.path.join(programs, name), "w") as f:
            f.write(f'#!/bin/sh\necho {name} >>"{FOLDER}/reached"\n{text}\n')
        os.chmod(os.path.join(programs, name), 0o755)
    path = {"PATH": programs + ":" + os.environ["PATH"]}
    for runner in ("ssh board", "ssh -o BatchMode=yes -p 2222 board", "adb -s serial shell", "docker exec -i box sh -c", "srun -N1 -c2 {}"):
        open(os.path.join(FOLDER, "reached"), "w").close()
        words = [*KERNEL, "--target", "sse41", *SMALL, "--runner", runner]
        expect_trials(words, env=path)
        reached = open(os.path.join(FOLDER, "reached")).read().split()
        expect(len(reached) >= 3 and set(reached) == {runner.split()[0]}, words, f"reached by {reached}")  # asked, measured, measured in turn
    r = tune(*KERNEL, "--target", "sse41", *SMALL, "--runner", "ssh elsewhere", env=path)
    expect(r.returncode == 4 and "ended with exit code 255" in r.stderr, ["ssh elsewhere"], r.stderr)


def emulator():
    qemu = shutil.which("qemu-x86_64") or shutil.which("qemu-x86_64-static")
    if not qemu:
        print("skipped: qemu-x86_64 is missing (Debian: qemu-user)")
        sys.exit(77)
    j = expect_trials([*KERNEL, "--target", "sse41", *SMALL, "--runner", f"{qemu} {{}}"])
    expect(j and j["machine"]["peak_gflops"] > 0, [qemu], "no peak")
    # Its largest CPU has AVX2 since version 7.2, the plain one has not: what a machine lacks is told before anything is compiled.
    version = run([qemu, "--version"]).stdout.split("version ")[1].split("(")[0].strip()
    if tuple(int(n) for n in version.split(".")[:2]) >= (7, 2):
        expect_trials([*KERNEL, "--target", "avx2", *SMALL, "--runner", f"{qemu} -cpu max {{}}"])
    expect_error([*KERNEL, "--target", "avx2", *SMALL, "--runner", f"{qemu} -cpu qemu64,+ssse3,+sse4.1 {{}}"], 4, "avx2 does not run on the runner's machine")
    expect_error([*KERNEL, "--target", "avx512", *SMALL, "--runner", f"{qemu} -cpu max {{}}"], 4, "avx512 does not run on the runner's machine")


def job_list():
    jobs = "# five jobs\n\n" + "".join(f"--head-dim {d} --mask '{m}' --shape sq=20,skv=30\n" for d in (8, 16) for m in ("none", "causal")) + "attune tune --head-dim 24 --trials 3\n"
    write("jobs.txt", jobs)
    common = ["--jobs", "jobs.txt", "--trials", "2", "--target", "sse41", "--quiet", "--db", "list.jsonl", *FEW]
    seen = []
    for part in ("1/3", "2/3", "3/3"):
        r = tune(*common, "--shard", part, "--json")
        expect(r.returncode == 0, common, f"exit code {r.returncode}: {r.stderr}{r.stdout[-500:]}")
        for job in json.loads(r.stdout)["jobs"]:
            seen.append(job["line"])
            own = 3 if job["line"] == 7 else 2  # trials: the line's own, or those beside --jobs
            expect(job["code"] == 0 and len(job["result"]["trials"]) == own, common, str(job["result"])[:300])
    expect(sorted(seen) == [3, 4, 5, 6, 7], common, f"lines {seen}")
    rows = [json.loads(line)["spec"] for line in open(os.path.join(FOLDER, "list.jsonl"))]
    expect(len(rows) == len(set(rows)) == 5, common, f"{len(rows)} rows")

    # A job that fails does not keep the others from running.
    write("fails.txt", "--head-dim 8 --runner 'exit 7; :'\n--head-dim 8\n")
    r = tune("--jobs", "fails.txt", "--trials", "1", "--target", "sse41", *FEW, "--shape", "sq=20,skv=30")
    expect(r.returncode == 1 and "1 of 2 jobs of part 1/1 succeeded; failed: fails.txt:1 (exit code 4)" in r.stdout, ["fails.txt"], r.stdout + r.stderr)

    # All lines are looked at before the first is begun, those of other parts too.
    before = len(open(os.path.join(FOLDER, "list.jsonl")).readlines())
    for line, part in (("--head-dim 9999", "bad.txt:2: "), ("--head-dmi 9", "did you mean --head-dim"), ("--mask 'causal", "bad.txt:2: "), ("--jobs jobs.txt", "bad.txt:2: --jobs"),
                       ("--values block_x=3", "block_x"), ("no_such_preset", "no_such_preset")):
        write("bad.txt", f"--head-dim 8\n{line}\n")
        r = tune("--jobs", "bad.txt", "--shard", "1/2", "--trials", "1", "--target", "sse41", "--db", "list.jsonl")
        expect(r.returncode in (2, 3) and part in r.stderr and not r.stdout, [line], r.stdout + r.stderr)
    expect(len(open(os.path.join(FOLDER, "list.jsonl")).readlines()) == before, ["bad.txt"], "a job has run")

    expect_error(["--shard", "1/2"], 2, "--shard", "--jobs FILE")
    expect_error(["--jobs", "jobs.txt", "--shard", "3/2"], 2, "shard is 3/2")
    expect_error(["--jobs", "none.txt"], 3, "none.txt")
    expect_error(["--jobs", "jobs.txt", "--head-dim", "8"], 2, "--head-dim", "beside --jobs")
    expect_error(["--jobs", "jobs.txt", "--journal", "j.jsonl"], 2, "--journal")


def cluster():
    # The scripts of the example: every line of its list is right; two ranks of MPI share a small one.
    r = run(["bash", "-n", os.path.join(EXAMPLE, "tune.sbatch")])
    expect(r.returncode == 0, ["tune.sbatch"], r.stderr)
    stand_in = write("attune", '#!/bin/sh\necho "$@" >>called\n')
    os.chmod(os.path.join(FOLDER, stand_in), 0o755)
    r = run(["bash", os.path.join(EXAMPLE, "tune.sbatch")], {"SLURM_ARRAY_TASK_ID": "2", "SLURM_ARRAY_TASK_COUNT": "3", "PATH": FOLDER + ":" + os.environ["PATH"]})
    called = open(os.path.join(FOLDER, "called")).read()
    expect(r.returncode == 0 and called == "tune --jobs jobs.txt --shard 2/3 --db rows_2.jsonl --budget 10m\n", ["tune.sbatch"], called + r.stderr)
    # As Slurm would have it: a task for each number of the array that the script asks for, then one merge.
    program = write("attune", f'#!/bin/sh\nexec {ATTUNE} "$@"\n')
    write("jobs.txt", "".join(f"--head-dim {d} --shape sq=20,skv=30 --trials 2 --target sse41 {shlex.join(FEW)}\n" for d in (8, 16, 24, 32)))
    array = re.search(r"^#SBATCH --array=1-(\d+)$", open(os.path.join(EXAMPLE, "tune.sbatch")).read(), re.MULTILINE).group(1)
    for task in range(1, int(array) + 1):
        r = run(["bash", os.path.join(EXAMPLE, "tune.sbatch")], {"SLURM_ARRAY_TASK_ID": str(task), "SLURM_ARRAY_TASK_COUNT": array, "PATH": FOLDER + ":" + os.environ["PATH"]})
        expect(r.returncode == 0, ["tune.sbatch", str(task)], r.stdout + r.stderr)
    r = run(["sh", "-c", f"./{program} db merge rows_*.jsonl -o tuned.jsonl && rm rows_*.jsonl"])
    expect(r.returncode == 0 and len(open(os.path.join(FOLDER, "tuned.jsonl")).readlines()) == 4, ["db merge"], r.stdout + r.stderr)
    os.remove(os.path.join(FOLDER, "tuned.jsonl"))
    if not shutil.which("mpirun"):
        print("skipped: mpirun is missing (Debian: openmpi-bin)")
        sys.exit(1 if failures else 77)
    write("three.txt", "".join(f"--head-dim {d} --shape sq=20,skv=30\n" for d in (8, 16, 24)))
    r = run(["sh", os.path.join(EXAMPLE, "tune_mpi.sh"), "three.txt", "2", "--trials", "2", "--target", "sse41", *FEW],
            {"MPIRUN": "mpirun --allow-run-as-root --oversubscribe --bind-to none"})
    expect(r.returncode == 0, ["tune_mpi.sh"], r.stdout + r.stderr)
    rows = [len(open(os.path.join(FOLDER, name)).readlines()) if os.path.exists(os.path.join(FOLDER, name)) else 0 for name in ("rows_1.jsonl", "rows_2.jsonl", "tuned.jsonl")]
    expect(rows == [2, 1, 3], ["tune_mpi.sh"], f"{rows} rows: {r.stdout}{r.stderr}")
    # A job of one rank that fails leaves the other rank alone.
    write("fails.txt", "--head-dim 8 --runner 'exit 7; :'\n--head-dim 16\n--head-dim 24\n--head-dim 32\n")
    r = run(["sh", os.path.join(EXAMPLE, "tune_mpi.sh"), "fails.txt", "2", "--trials", "2", "--target", "sse41", "--shape", "sq=20,skv=30", *FEW],
            {"MPIRUN": "mpirun --allow-run-as-root --oversubscribe --bind-to none"})
    expect(r.returncode == 1 and "part 1 of 2 has jobs that failed" in r.stderr and "2 of 2 jobs of part 2/2 succeeded" in r.stdout, ["tune_mpi.sh"], r.stdout + r.stderr)


GROUPS = {"runners": runners, "remotes": remotes, "emulator": emulator, "job_list": job_list, "cluster": cluster}
os.mkdir(TEMPORARY)
try:
    for group in sys.argv[2:] or GROUPS:
        GROUPS[group]()
finally:
    shutil.rmtree(FOLDER, ignore_errors=True)
print("ok" if not failures else f"{failures} failed")
sys.exit(1 if failures else 0)
