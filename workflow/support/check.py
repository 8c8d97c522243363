"""Compare a finished run with the committed results: `make check`.

A run on another processor gives slightly different numbers. Two kinds of difference are reported:

- a *verdict* that changed, which for a primary comparison is an error;
- a value that *moved* out of the committed 95 % interval, which is not an error. The interval is
  the tolerance: it says how far a mean varies between sets of seeds, and another processor is like
  another set.

Committed results are read from git.
"""

import argparse
import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

TABLES = ("verdicts.csv", "arms.csv")
MEASURED = (
    *("n", "diverged", "value", "low", "high", "each", "random"),
    *("p", "holm", "detectable", "verdict"),
)
"""The columns of these tables that are results; all others identify what was measured."""


def compare(committed: pd.DataFrame, new: pd.DataFrame) -> Iterator[tuple[bool, str]]:
    """List what differs between two tables of the same kind.

    Args:
        committed: Rows with ``value``, ``low`` and ``high``; for comparisons, also with ``primary``
            and ``verdict``.
        new: The same, for the run that is checked.

    Yields:
        Whether a primary verdict has changed, and a line that says what differs.
    """
    measured = {*MEASURED, "primary"}
    keys = ["claim"] if "claim" in committed else [n for n in committed if n not in measured]
    before, after = (table.set_index(keys) for table in (committed, new))
    for key, old in before.iterrows():
        name = ", ".join(map(str, key if isinstance(key, tuple) else (key,)))
        primary = "verdict" in old and bool(old["primary"])
        kind = "primary verdict" if primary else "verdict (exploratory)"
        if key not in after.index:
            yield primary, f"{kind if 'verdict' in old else 'value'} missing: {name}"
            continue
        row = after.loc[key]
        change = f"{old['value']:.4g} → {row['value']:.4g}"
        if old.get("verdict") != row.get("verdict"):
            yield (
                primary,
                f"{kind} changed: {name}: {old['verdict']} → {row['verdict']} ({change}, "
                f"p {old['p']:.3g} → {row['p']:.3g})",
            )
        elif row["value"] < old["low"] or row["value"] > old["high"]:
            yield False, f"moved: {name}: {change}, interval {old['low']:.4g} to {old['high']:.4g}"
    for key in after.index.difference(before.index):
        yield False, f"new: {', '.join(map(str, key if isinstance(key, tuple) else (key,)))}"


def check(root: Path, revision: str) -> tuple[list[str], bool]:
    """Compare the results below a working copy with those of one of its commits.

    Args:
        root: The working copy.
        revision: The commit.

    Returns:
        Lines for each table, and whether all primary verdicts are unchanged.

    Raises:
        FileNotFoundError: If the commit has no such results, or the working copy lacks one of them.
        subprocess.CalledProcessError: If there is no such commit.
    """
    listed = _git(root, "ls-tree", "-r", "--name-only", revision, "results").splitlines()
    paths = [path for path in listed if Path(path).name in TABLES]
    if not paths:
        raise FileNotFoundError(f"{revision} has no results to compare with")
    lines, same = [], True
    for path in [path for path in listed if Path(path).name == "params.json"]:
        params = _git(root, "show", f"{revision}:{path}")
        if (root / path).exists() and (root / path).read_text("utf-8") != params:
            lines.append(f"{path}: other parameters than in {revision}, so results differ")
    for path in paths:
        if not (root / path).exists():
            raise FileNotFoundError(
                f"{path} is in {revision}, but not in this run; has it finished?"
            )
        committed = pd.read_csv(io.StringIO(_git(root, "show", f"{revision}:{path}")))
        found = list(compare(committed, pd.read_csv(root / path)))
        lines += [f"{path}: {len(committed)} values, {len(found)} of them differ"]
        lines += [f"  {line}" for _, line in found]
        same &= not any(primary for primary, _ in found)
    return lines, same


def _git(root: Path, *command: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(root), *command], check=True, capture_output=True, text=True
    )
    return done.stdout


def main() -> int:
    """Check this working copy.

    Returns:
        0 if all primary verdicts are unchanged, 1 if one has changed, 2 if nothing can be compared.
    """
    parser = argparse.ArgumentParser(description="Compare results with the committed ones.")
    parser.add_argument("revision", nargs="?", default="HEAD", help="commit to compare with")
    revision = parser.parse_args().revision
    try:
        lines, same = check(Path.cwd(), revision)
    except FileNotFoundError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except subprocess.CalledProcessError as error:
        print(f"error: git: {error.stderr.strip()}", file=sys.stderr)
        return 2
    print(*lines, sep="\n")
    print("All primary verdicts are unchanged." if same else "A primary verdict has changed.")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
