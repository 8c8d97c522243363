"""Time and memory of the jobs of each rule, from logs/progress.jsonl: `make usage`."""

import json
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

PROGRESS = Path("logs/progress.jsonl")
ROW = "{:<20} {:>5} {:>10} {:>10} {:>12} {:>9}"
HEAD = ("rule", "jobs", "mean, s", "longest, s", "processor, s", "peak, MB")


def table(lines: Iterable[str]) -> list[str]:
    """Sum the time and memory of jobs, by rule.

    Args:
        lines: Lines of logs/progress.jsonl; only the last one of each job is used.

    Returns:
        A header, and a line for each rule: number of jobs, mean and longest duration, processor
        time of all together, largest memory of one. A job that ran again counts again.
    """
    taken = defaultdict(list)
    for line in lines:
        step = json.loads(line)
        if "peak_mb" in step:
            taken[step["rule"]].append(step)
    rows = [ROW.format(*HEAD)]
    for rule, steps in sorted(taken.items(), key=lambda item: -_total(item[1])):
        seconds = [step["seconds"] for step in steps]
        mean, peak = sum(seconds) / len(steps), max(step["peak_mb"] for step in steps)
        numbers = f"{mean:.1f}", f"{max(seconds):.1f}", f"{_total(steps):.1f}", peak
        rows.append(ROW.format(rule, len(steps), *numbers))
    return rows


def _total(steps: Iterable[dict[str, float]]) -> float:
    return sum(step["processor_seconds"] for step in steps)


def main() -> int:
    """Print the table of this working copy.

    Returns:
        0, or 1 if nothing has run here.
    """
    try:
        lines = PROGRESS.read_text("utf-8").splitlines()
    except FileNotFoundError:
        print(f"error: {PROGRESS}: no such file; run the workflow first", file=sys.stderr)
        return 1
    print(*table(lines), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
