"""Compare libraries that compute a diagonal empirical Fisher: accepted inputs, errors and costs.

Writes comparison.csv and, from it and comparison_page.md, the page docs/comparison.md. The
libraries are installed with ``pip install .[comparison]``; for one that is missing or fails, the
table has the reason.

    python benchmarks/comparison.py [--seconds 4] [--only "GPT-2"]... [--render]
"""

import argparse
import csv
import importlib.metadata
import sys
import warnings
from pathlib import Path
from statistics import median
from string import Template

import comparison_inputs as inputs
import torch
from comparison_libraries import CALLS, LIBRARIES, loop, plain, ready, wanted
from fisher import interleave

HERE = Path(__file__).parent
TABLE, TEXT = HERE / "comparison.csv", HERE / "comparison_page.md"
PAGE = HERE.parent / "docs/comparison.md"
COLUMNS = ["input", "library", "version", "error", "cost", "says"]
EXACT = 1e-3
"""Largest relative error of a value that counts as exact in single precision."""


def reference(name):
    """Compute F by the loop in double precision."""
    given = inputs.build(name)
    batch = given.batch
    names = list(batch) if isinstance(batch, dict) else range(len(batch))
    double = [_double(batch[key]) for key in names]
    batch = dict(zip(names, double, strict=True)) if isinstance(batch, dict) else tuple(double)
    alone = given._replace(
        model=given.model.double(), batch=batch, criterion=given.criterion.double()
    )
    return loop(alone, copies=2)()


def _double(value):
    return value.double() if value.is_floating_point() else value


def largest_error(found, expected):
    """Compute the maximum over parameters of ‖F − F_loop‖ / ‖F_loop‖.

    The denominator is at least 1e-9 of the largest norm, for gradients that are only rounding, such
    as that of the bias of the keys in attention. Parameters that a library has renamed are left
    out.
    """
    least = 1e-9 * max(f.norm() for f in expected.values())
    return max(
        float((found[name].double() - f).norm() / f.norm().clamp(min=least))
        for name, f in expected.items()
        if name in found
    )


def attempt(name, given):
    """Try a library.

    Returns:
        A function that computes F, and F; or None and the error message.
    """
    try:
        run = ready(name, given)
        found = run()
    except ImportError as error:
        return None, f"not installed: {error}"
    except Exception as error:  # anything that a library raises
        lines = str(error).strip().splitlines() or [""]
        return None, f"{type(error).__name__}: {lines[0][:160]}"
    missing = left_out(wanted(given.model), found)
    return (None, f"leaves out {', '.join(missing)}") if missing else (run, found)


def left_out(parameters, found):
    """List the parameters without F, except where a library's own layers have renamed them."""
    missing = [name for name in parameters if name not in found]
    others = sum(f.numel() for name, f in found.items() if name not in parameters)
    return missing if sum(parameters[name].numel() for name in missing) > others else []


def measure(name, seconds):
    given = inputs.build(name)
    expected = reference(name) if name in inputs.INPUTS else None
    runs, made = {"plain": plain(inputs.build(name))}, []
    for library, (_, package) in LIBRARIES.items():
        row = dict.fromkeys(COLUMNS, "") | {"input": name, "library": library}
        row["version"] = version(package)
        run, found = attempt(library, given)
        if run is None:
            row["says"] = found
        elif expected is None:
            row["says"] = "gives a value"
        else:
            row["error"] = f"{largest_error(found, expected):.1e}"
            runs[library] = run
        made.append(row)
    if expected is not None:
        ratios, _ = interleave(runs, seconds)
        for row in made:
            if row["library"] in ratios and row["error"]:
                row["cost"] = f"{median(ratios[row['library']]):.2f}"
    return made


def version(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def read(path):
    """Return the rows of a table; none if there is no file."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def render(table):
    """Render the page: tables of costs and errors, error messages, and calls."""
    said = list(dict.fromkeys(says(row) for row in table if _refused(row)))
    cells = {(row["input"], row["library"]): cell(row, said) for row in table}
    return Template(TEXT.read_text("utf-8")).substitute(
        costs=grid(inputs.INPUTS, cells),
        answers=grid(inputs.REFUSE, cells),
        messages="\n".join(f"{k}. {text}" for k, text in enumerate(said, 1)),
        calls=calls(table),
    )


def cell(row, said):
    if _refused(row):
        return f"– [{said.index(says(row)) + 1}]"
    if not row["error"]:
        return row["says"]
    if float(row["error"]) <= EXACT:
        return row["cost"]
    return f"*off by {float(row['error']):.2g}* ({row['cost']})"


def _refused(row):
    return bool(row["says"]) and row["says"] != "gives a value"


def says(row):
    text = row["says"].replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")
    return f"{row['library'].partition(',')[0]}: {text}"


def grid(names, cells):
    lines = ["| | " + " | ".join(LIBRARIES) + " |", "|---" * (len(LIBRARIES) + 1) + "|"]
    for name in names:
        mine = " | ".join(cells.get((name, library), "") for library in LIBRARIES)
        lines.append(f"| {name} | {mine} |")
    return "\n".join(lines)


def calls(table):
    versions = {row["library"]: row["version"] or "not installed" for row in table}
    return "\n".join(f"- **{name}** {versions[name]}: {CALLS[name]}." for name in versions)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=4, help="for each input")
    parser.add_argument("--only", action="append", help="part of an input's name")
    parser.add_argument("--render", action="store_true", help="only render the page from the table")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    order = [*inputs.INPUTS, *inputs.REFUSE]
    table = [row for row in read(TABLE) if row["input"] in order]
    for name in () if options.render else order:
        if options.only and not any(part in name for part in options.only):
            continue
        made = measure(name, options.seconds)
        for row in made:
            print(*(f"{row[column]:>8}" for column in COLUMNS), sep="  ", flush=True)
        table = [row for row in table if row["input"] != name] + made
        table.sort(key=lambda row: order.index(row["input"]))
        with TABLE.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(table)
    PAGE.write_text(render(table), "utf-8")


if __name__ == "__main__":
    sys.exit(main())
