"""Rows as text and as CSV. A row is what measure.Row holds, as a dictionary."""
import csv
import io

Row = dict


def _cell(result: dict | None) -> str:
    if result is None or not result["path"]:
        return "-"
    rewritten = "*" if "by hand" in result["path"] else ""
    return f"{rewritten}{result['median_ms']:.4g} ms {result['gflops']:4.0f} {result['share']:4.0%} {result['error']:.0e}"


def best_rival(row: Row) -> str:
    """Its time over Attune's, above 1 where Attune is faster: the median of the rounds, and of either side's fastest call."""
    results = {result["contestant"]: result for result in row["results"] if result["path"]}
    own = results.pop("attune", None)
    if own is None or not results:
        return "-"
    return f"{min(r['ratio'] for r in results.values()):.2f} {min(r['best_ms'] for r in results.values()) / own['best_ms']:.2f}"


def text_table(rows: list[Row], names: list[str]) -> str:
    """A line a problem and number of threads; below it, why cells are empty."""
    lines = [["shape", "type", "threads", "limit", *names, "best rival / attune"]]
    for row in rows:
        results = {result["contestant"]: result for result in row["results"]}
        lines.append([row["shape"], row["dtype"], str(row["threads"]), f"{row['limit_gflops']:.0f}",
                      *(_cell(results.get(name)) for name in names), best_rival(row)])
    widths = [max(map(len, column)) for column in zip(*lines)]
    text = "\n".join("  ".join(cell.rjust(width) if i > 1 else cell.ljust(width) for i, (cell, width) in enumerate(zip(line, widths)))
                     for line in lines)
    notes = ("a cell: median time, GFLOP/s on visible pairs, share of the limit, error against float64. limit: GFLOP/s of the machine. "
             "last: medians, fastest calls. *: rewritten by hand, see path in the CSV")
    return "\n".join([text, notes, *_reasons(rows)]) + "\n"


def _reasons(rows: list[Row]) -> list[str]:
    """Each reason once, with the problems that it stands for."""
    problems: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        for result in row["results"]:
            if result["reason"]:
                where = problems.setdefault((result["contestant"], result["reason"]), [])
                problem = f"{row['shape']} {row['dtype']}"
                if problem not in where:
                    where.append(problem)
    lines = []
    for (contestant, reason), where in problems.items():
        more = f", and {len(where) - 3} more" if len(where) > 3 else ""
        lines.append(f"- {contestant}: {reason} ({', '.join(where[:3])}{more})")
    return lines


def csv_text(rows: list[Row]) -> str:
    """A line a result."""
    columns = ["contestant", "path", "median_ms", "best_ms", "gflops", "share", "ratio", "error", "reason"]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["shape", "dtype", "threads", "flops", "limit_gflops", *columns])
    for row in rows:
        for result in row["results"]:
            numbers = [f"{result[c]:.4g}" if isinstance(result[c], float) else result[c] for c in columns]
            writer.writerow([row["shape"], row["dtype"], row["threads"], row["flops"], f"{row['limit_gflops']:.1f}", *numbers])
    return text.getvalue()
