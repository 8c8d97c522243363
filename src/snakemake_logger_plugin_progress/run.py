"""State of a run, from Snakemake's log records, and its display."""

import json
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from logging import LogRecord
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

PROGRESS = Path("logs/progress.jsonl")
USED = ("seconds", "processor_seconds", "peak_mb")
"""What the last line of a job says."""
DURATIONS = Path(".snakemake/durations.json")
"""Mean seconds per job of each rule in earlier runs, to estimate the time left."""


@dataclass
class Job:
    """A running job."""

    rule: str
    title: str
    wildcards: dict[str, str]
    started: float


class Run:
    """Finished, running and waiting jobs; a renderable of rich."""

    def __init__(self) -> None:
        """Start without any jobs."""
        self.total: Counter[str] = Counter()
        self.done: Counter[str] = Counter()
        self.failed = 0
        self._running: dict[int, Job] = {}
        self._most = 1  # jobs that ran at the same time
        self._seconds: dict[str, list[float]] = defaultdict(list)
        self._read = PROGRESS.stat().st_size if PROGRESS.exists() else 0
        self._newest: dict[tuple[str, str], dict[str, Any]] = {}
        self._faults: list[str] = []
        try:
            self._before: dict[str, float] = json.loads(DURATIONS.read_text("utf-8"))
        except (OSError, ValueError):
            self._before = {}

    def begin(self, stats: Mapping[str, Any]) -> None:
        """Set the number of jobs of each rule."""
        self.total = Counter({rule: int(n) for rule, n in stats.items() if rule != "total"})

    def start(self, record: LogRecord) -> None:
        """Record the start of a job."""
        about = record.__dict__
        title = about["rule_msg"] or about["rule_name"]
        wildcards = dict(about["wildcards"] or {})
        self._running[about["jobid"]] = Job(about["rule_name"], title, wildcards, time.monotonic())
        self._most = max(self._most, len(self._running))

    def finish(self, number: int) -> str:
        """Record the end of a job; return a line about it."""
        job = self._running.pop(number, None)
        if job is None:
            return ""
        self.done[job.rule] += 1
        seconds = time.monotonic() - job.started
        self._seconds[job.rule].append(seconds)
        return f"{sum(self.done.values())} of {self.total.total()}: {job.title} ({seconds:.0f} s)"

    def fail(self, number: int) -> None:
        """Record the failure of a job."""
        self.failed += self._running.pop(number, None) is not None

    def seconds_left(self) -> float | None:
        """Estimate the time left from finished jobs of the same rules."""
        means = self._before | {rule: sum(s) / len(s) for rule, s in self._seconds.items()}
        if not means:
            return None
        usual = sum(means.values()) / len(means)
        now = time.monotonic()
        left = self.total - self.done
        work = sum(n * means.get(rule, usual) for rule, n in left.items())
        work -= sum(
            min(now - job.started, means.get(job.rule, usual)) for job in self._running.values()
        )
        return max(0.0, work) / self._most

    def remember(self) -> None:
        """Store the mean seconds of each rule for the next run."""
        means = {rule: round(sum(s) / len(s), 2) for rule, s in self._seconds.items()}
        if means and DURATIONS.parent.is_dir():
            DURATIONS.write_text(json.dumps(self._before | means, indent=1, sort_keys=True))

    def faults(self) -> list[str]:
        """Return the errors that jobs have reported since the last call."""
        self._follow()
        found, self._faults = list(dict.fromkeys(self._faults)), []
        return found

    def _follow(self) -> None:
        """Read what jobs have written since the last call."""
        try:
            with PROGRESS.open("rb") as file:
                file.seek(self._read)
                lines = file.read().split(b"\n")
        except OSError:
            return
        self._read += sum(len(line) + 1 for line in lines[:-1])  # the last line is not complete yet
        for line in lines[:-1]:
            try:
                step = json.loads(line)
                job = step.pop("rule"), json.dumps(step.pop("wildcards"), sort_keys=True)
            except (ValueError, KeyError):
                continue
            step.pop("time", None)
            if "fault" in step:
                self._faults.append(step["fault"])
            self._newest[job] = step

    def _steps(self, job: Job) -> str:
        """Describe the progress of a job, if it has reported any."""
        step = self._newest.get((job.rule, json.dumps(job.wildcards, sort_keys=True)), {})
        return ", ".join(_words(step))

    def __rich__(self) -> RenderableType:
        """Draw a bar for all jobs, and a line for each running job."""
        self._follow()
        done, total = self.done.total(), self.total.total()
        seconds = self.seconds_left()
        left = "" if seconds is None else f", about {_clock(seconds)} left"
        failed = f", {self.failed} failed" if self.failed else ""
        waiting = max(0, total - done - len(self._running) - self.failed)
        counts = f"{done} of {total} jobs done, {len(self._running)} running, {waiting} waiting"
        table = Table.grid(padding=(0, 2))
        for job in self._running.values():
            since = _clock(time.monotonic() - job.started)
            table.add_row(since, job.title, Text(self._steps(job), style="dim"))
        head = Table.grid(padding=(0, 2))
        bar = ProgressBar(total=max(total, 1), completed=done, width=30)
        head.add_row(bar, Text(counts + failed + left))
        return Group(head, table)


def _words(step: Mapping[str, Any]) -> Iterator[str]:
    for name, value in step.items():
        if name in {"epochs", "fault", *USED} or value is None:
            continue
        shown = f"{value:.3g}" if isinstance(value, float) else str(value)
        of = f" of {step['epochs']}" if name == "epoch" and "epochs" in step else ""
        yield f"{name} {shown}{of}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
