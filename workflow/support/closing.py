"""The closing lines of a run: headline results, where the figures are, how to open the report."""

from collections.abc import Iterator
from pathlib import Path

from support.receipts import read_json
from wpl_lab.arms import ARMS
from wpl_lab.search.search_names import METHOD_NAMES
from wpl_lab.two_models.stops import stop_title

STUDIED = next(name for name, arm in ARMS.items() if arm.reference)
HEADLINE = "results/{}/headline.json"


def lines(root: Path, *, plain: bool) -> list[str]:
    """Write the lines from the metrics of a run.

    Args:
        root: The folder below which ``results/`` is.
        plain: Whether the params are those of params.yaml, as `make report` assumes.

    Returns:
        Headline results, if there are any; where figures and tables are; how to open the report.
    """
    found = "; ".join([*_two_models(root), *_searches(root)])
    where = "Figures: results/plot_* (PNG, SVG); tables and metrics: results/evaluate_*"
    make = "`make report`" if plain else "`snakemake --report report.html` with the same overlay"
    report = f"Report: {make}, then open report.html in a browser"
    return [*([f"Results: {found}"] if found else []), where, report]


def _two_models(root: Path) -> Iterator[str]:
    """Describe the forgetting of A, the share that the studied arm removes, and the cost to B."""
    stops = read_json(root / HEADLINE.format("evaluate_forgetting"))
    for stop, arms in list(stops.items())[:1]:  # the first stop is enough for one line
        lost, own = arms.get("none", {}).get("forgetting"), arms.get(STUDIED, {})
        if lost is None:
            return
        removed = ""
        if own.get("reduction") is not None:
            removed = f", of which {ARMS[STUDIED].title} removes {100 * own['reduction']:.0f} %"
            removed += f" at a cost to B of {100 * own['cost']:.1f} points"
        yield f"{stop_title(stop)} and loses {100 * lost:.1f} points to B{removed}"


def _searches(root: Path) -> Iterator[str]:
    """Describe the forgetting in a search on each task, without and with the studied arm."""
    for file in sorted(root.glob(HEADLINE.format("evaluate_search/*"))):
        for method, metrics in read_json(file).items():
            of_arm = metrics.get("forgetting", {})
            if of_arm.get("none") is None or of_arm.get(STUDIED) is None:
                continue
            yield (
                f"children forget {of_arm['none']:.3f} nats, with {ARMS[STUDIED].title} "
                f"{of_arm[STUDIED]:.3f} ({METHOD_NAMES[method]} on {file.parent.name})"
            )
            break  # the first method is enough, too
