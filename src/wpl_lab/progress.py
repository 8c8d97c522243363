"""Progress of a long job: a line of JSON for each step."""

import json
import logging

LOGGER = "wpl_lab.progress"
"""Name of the logger; workflow/scripts/job.py also writes its lines to logs/progress.jsonl."""

_log = logging.getLogger(LOGGER)


def report(**values: float | str | None) -> None:
    """Report progress, for example ``report(seed=3, epoch=5, epochs=8, perplexity=46.2)``.

    Args:
        **values: What to report, in this order; numbers that are not finite become text.
    """
    shown = {
        name: value if not isinstance(value, float) or abs(value) < float("inf") else str(value)
        for name, value in values.items()
    }
    _log.info("%s", json.dumps(shown))
