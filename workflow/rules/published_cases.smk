"""Searches with a published ground truth: from parameters to files."""

# The tables of the evaluation, and the figures with the tables that they show.
PUBLISHED_TABLES = [
    *("runs", "arms", "verdicts", "diverged", "forgetting", "later", "ranking"),
    *("yardsticks", "found", "random"),
]
PUBLISHED_FIGURES = {
    "budget": ["ranking", "yardsticks"],
    "transfer": ["found", "random", "yardsticks"],
    "errors": ["runs"],
    "search_forgetting": ["forgetting", "later"],
}


def own_truth(wc):
    """The user's CSV, an input because its content may change; the benchmark's files are fixed."""
    given = SEARCH[wc.task]["truth"]
    if given is None:
        return []
    return existing(f"search.{wc.task}.truth", [os.path.expanduser(given)])


def searches(pattern, task):
    """The files of all searches of the space."""
    files = runs(pattern, task, ["small"])
    if not files:
        raise SystemExit(
            f"error: params: search.{task}.small: no arm searches it; add some, or take "
            f"--configfile config/{task}.yaml"
        )
    return files


def published(wc):
    """Every output of the searches, of their evaluation and of the figures."""
    task = "nasbench201"
    return [
        *(f for output in rules.search_cells.output for f in searches(output, task)),
        *expand(rules.prepare_truth.output, task=task),
        *expand(rules.evaluate_published.output, task=task),
        *expand(rules.plot_published.output, task=task, figure=PUBLISHED_FIGURES),
    ]
