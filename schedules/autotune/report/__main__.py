"""python3 report RESULT.json -o OUT.html: one page of what `attune tune --json` found. Needs matplotlib; the page needs nothing, not even a
network."""
import argparse
import os
import sys
import tempfile

sys.dont_write_bytecode = True  # the folder may be an installed one
from result import InputError, read_result  # noqa: E402  after the line above

USAGE, INPUT = 2, 3


def flags():
    parser = argparse.ArgumentParser(
        prog="report", description="A page (HTML) of curves and tables from a result of attune tune.",
        epilog="example:\n  attune tune llama3_8b --json > result.json\n  python3 schedules/autotune/report result.json -o tune.html\n\n"
               "exit status: 0, 2 usage, 3 a file or matplotlib is missing or wrong",
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("result", metavar="RESULT.json", help="what 'attune tune … --json' printed")
    parser.add_argument("-o", "--output", metavar="OUT.html", required=True,
                        help="the page; an older one is replaced when the new one is whole")
    parser.error = lambda message: refuse(f"{message}; usage: report RESULT.json -o OUT.html", USAGE)
    return parser.parse_args()


def refuse(message, code=INPUT):
    print(f"attune: {message}", file=sys.stderr)
    sys.exit(code)


def write_whole(path, text):
    """Through a file beside it, so that a reader never sees half a page."""
    folder = os.path.dirname(os.path.abspath(path))
    handle, temporary = tempfile.mkstemp(prefix=".report-", suffix=".html", dir=folder)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)  # mkstemp's files are for their owner alone
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def main():
    given = flags()
    try:
        result = read_result(given.result)
    except InputError as error:
        refuse(error)
    try:
        from page import page
    except ImportError as error:
        refuse(f"the Python package {error.name} is missing for {sys.executable}, expected matplotlib; pip install matplotlib")
    text = page(result)
    try:
        write_whole(given.output, text)
    except OSError as error:
        refuse(f"{given.output}: {error.strerror}, expected a file that can be written; check the folder and its permissions")


if __name__ == "__main__":
    main()
