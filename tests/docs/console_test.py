#!/usr/bin/env python3
"""Runs a document: each command of its console blocks must print what the document says, and draw the pictures that it shows.

    console_test.py ATTUNE DOCUMENT.md [--write]

A fenced block that begins ```console holds commands ("$ " in front; a backslash at the end goes on) and below each its output, standard error too.
All run one after another in bash, in a copy of the document's folder, with `attune` on the PATH. Of the output
  …           inside a line stands for any text, alone on a line for any lines;
  and in a block ```console varies numbers with their units stand for any numbers, as many as there are: times, and what follows from them.
A fenced ```toml block must be a specification; one that begins "# NAME.toml" is there under that name for the commands after it. A picture that a command draws into pictures/ must say what the one in the repository says,
numbers aside; of one that a block that varies draws only the kinds of labels count, as how many points were measured and where the axis has its ticks depend on the machine.
--write puts the new pictures there. Exits 77, which CTest takes for "skipped", where NumPy is missing.
"""
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unicodedata

NUMBER = r"[-~]?\d[\d.,]*(?:e[-+]?\d+)?(?: ?(?:B|KiB|MiB|GiB|TiB|ms|s|GFLOP/s|GB/s|%)(?![A-Za-z]))?"


def blocks(text):
    """(line, info string, body) of each fence."""
    for match in re.finditer(r"^```([^\n`]*)\n(.*?)^```$", text, re.M | re.S):
        yield text[:match.start()].count("\n") + 1, match[1].strip(), match[2]


def commands(body):
    """(command, expected output) of a console block."""
    out, lines = [], body.split("\n")[:-1]
    while lines:
        line = lines.pop(0)
        if not line.startswith("$ "):
            raise ValueError(f"output without a command: {line!r}")
        command = line[2:]
        while command.endswith("\\"):
            command = command[:-1] + lines.pop(0).lstrip()
        expected = []
        while lines and not lines[0].startswith("$ "):
            expected.append(lines.pop(0))
        out.append((command, expected))
    return out


def normal(line, varies):
    line = " ".join(line.split()) if varies else line.rstrip()
    return re.sub(rf"{NUMBER}(?: {NUMBER})*", "#", line) if varies else line


def same(expected, found, varies):
    """Lists of lines; … as above."""
    if not expected:
        return not found
    if expected[0].strip() == "…":
        return any(same(expected[1:], found[i:], varies) for i in range(len(found) + 1))
    pattern = ".*".join(re.escape(part) for part in normal(expected[0], varies).split("…"))
    return bool(found) and re.fullmatch(pattern, normal(found[0], varies)) is not None and same(expected[1:], found[1:], varies)


def said(picture, varies):
    """The labels of an SVG, numbers aside: in order, or which there are."""
    with open(picture, encoding="utf-8") as file:
        labels = [normal(label, True) for label in re.findall(r"<(?:text|title)[^>]*>([^<]*)<", file.read())]
    return sorted(set(labels)) if varies else labels


def main(attune, document, write):
    folder, failures = os.path.dirname(os.path.abspath(document)), 0
    with open(document, encoding="utf-8") as file:
        text = unicodedata.normalize("NFC", file.read())
    with tempfile.TemporaryDirectory(prefix="attune-docs-") as work:
        copy = shutil.copytree(folder, os.path.join(work, "docs"))
        shutil.rmtree(os.path.join(copy, "pictures"), ignore_errors=True)
        os.mkdir(os.path.join(copy, "pictures"))
        environment = {k: v for k, v in os.environ.items() if not k.startswith("ATTUNE_") or k == "ATTUNE_CACHE_DIR"}
        environment.update(PATH=os.pathsep.join([os.path.dirname(attune), os.path.dirname(sys.executable), os.environ["PATH"]]), NO_COLOR="1", LC_ALL="C.UTF-8")
        count, varying_pictures = 0, set()
        for line, info, body in blocks(text):
            if info == "toml":
                named = re.match(r"# (\w+\.toml)\n", body)
                file_name = named[1] if named else "block.toml"
                with open(os.path.join(copy, file_name), "w", encoding="utf-8") as file:
                    file.write(body)
                is_dense = re.match(r"\[(layer|projection)\]", body.split("\n", 1)[1] if named else body)
                word = f"build {file_name} -o checked --target sse41" if is_dense else f"explain {file_name} --stage plan"
                body, info = f"$ attune {word}\n…\n", "console"
            if info.split()[:1] != ["console"]:
                continue
            varies, drawn_before = info.endswith(" varies"), set(os.listdir(os.path.join(copy, "pictures")))
            for command, expected in commands(body):
                r = subprocess.run(["bash", "-c", command], cwd=copy, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True, timeout=300)
                found = r.stdout.splitlines()
                count += 1
                if not same(expected, found, varies) or (r.returncode != 0 and not any(e.startswith("attune: ") for e in expected)):
                    failures += 1
                    print(f"FAILED: {document}:{line}: $ {command}\n  exit code {r.returncode}; expected\n    " + "\n    ".join(expected) +
                          "\n  found\n    " + "\n    ".join(found))
            if varies:
                varying_pictures |= set(os.listdir(os.path.join(copy, "pictures"))) - drawn_before
        shown = set(re.findall(r"\]\(pictures/([^)]+)\)", text))
        drawn = set(os.listdir(os.path.join(copy, "pictures")))
        if write:
            os.makedirs(os.path.join(folder, "pictures"), exist_ok=True)
            for name in drawn:
                shutil.copyfile(os.path.join(copy, "pictures", name), os.path.join(folder, "pictures", name))
        kept = set(os.listdir(os.path.join(folder, "pictures")))
        if not shown == drawn == kept:
            failures += 1
            print(f"FAILED: pictures shown {sorted(shown)}, drawn {sorted(drawn)}, kept {sorted(kept)}")
        for name in sorted(drawn & kept):
            if name.endswith(".svg") and len({str(said(os.path.join(place, "pictures", name), name in varying_pictures)) for place in (copy, folder)}) > 1:
                failures += 1
                print(f"FAILED: {folder}/pictures/{name} is out of date; run this test with --write")
    print(f"{count} commands, {failures} failed")
    return 1 if failures or count == 0 else 0


if __name__ == "__main__":
    if importlib.util.find_spec("numpy") is None:
        print("skipped: NumPy is missing; ./dev installs it into .venv")
        sys.exit(77)
    sys.exit(main(os.path.abspath(sys.argv[1]), sys.argv[2], "--write" in sys.argv[3:]))
