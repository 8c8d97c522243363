"""Snakemake's output as a live display: running jobs, their progress, and the time left.

Snakemake finds the plugin by its name; ``logger: progress`` in profiles/default selects it. On a
terminal the display is redrawn in place; elsewhere each finished job prints a line, except in CI
(where the variable ``CI`` is set). Warnings are printed at once, errors at the end, where they are
seen.
"""

import builtins
import os
import re
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from logging import WARNING, LogRecord
from pathlib import Path

from rich.console import Console
from rich.live import Live
from snakemake.logging import DefaultFilter, DefaultFormatter
from snakemake.settings.enums import Quietness
from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

from snakemake_logger_plugin_progress.run import Run

KEPT = ("Nothing to be done", "Removed ", "Complete log")
"""Prefixes of Snakemake's own messages that are shown."""
NEEDLESS = ("between-workflow cache", "Assuming unrestricted shared filesystem", "is extended by")
"""Parts of its notes that a dry run, a line for each of many jobs, is easier to read without."""


class LogHandler(LogHandlerBase):
    """Snakemake's handler of log records, by its interface of logger plugins."""

    def __post_init__(self) -> None:
        """Choose the display, or Snakemake's text for ``-n``, ``--verbose``, ``--quiet all``."""
        given = self.common_settings
        self._console = Console(stderr=not given.stdout, highlight=False, soft_wrap=True)
        quiet = Quietness.ALL in (given.quiet or ())
        self._plain = bool(given.dryrun or given.verbose or given.debug_dag or quiet)
        self._short = bool(given.dryrun and not given.verbose)
        self._text = DefaultFormatter(given.quiet, given.show_failed_logs)
        self._filter = DefaultFilter(
            given.quiet, given.debug_dag, given.verbose, given.dryrun, given.printshellcmds
        )
        self._run = Run()
        self._live = Live(self._run, console=self._console, refresh_per_second=2, transient=True)
        self._last: list[str] = []
        self._errors: list[str] = []

    def emit(self, record: LogRecord) -> None:
        """Show a record in the display, or print it."""
        event = getattr(record, "event", None)
        _tell_plainly(record)
        if self._plain:
            if self._filter.filter(record) and not (self._short and _is_needless(record)):
                self._print(self._text.format(record))
        elif event is LogEvent.RUN_INFO:
            self._run.begin(record.stats)  # type: ignore[attr-defined]
            if self._console.is_terminal:
                self._live.start()
        elif event is LogEvent.JOB_INFO:
            self._run.start(record)
        elif event is LogEvent.JOB_FINISHED:
            line = self._run.finish(record.job_id)  # type: ignore[attr-defined]
            if not self._console.is_terminal and not os.environ.get("CI"):
                self._print(line)
        elif event is LogEvent.JOB_ERROR:
            self._run.fail(record.jobid)  # type: ignore[attr-defined]
            self._errors.append(self._text.format(record))
        elif hasattr(record, "summary"):
            self._last.append(record.getMessage())
        elif record.levelno > WARNING:
            self._errors.append(self._text.format(record))
        elif record.levelno == WARNING:
            self._print(self._text.format(record))
        elif event is None and str(record.msg).startswith(KEPT):
            self._print(str(record.msg))

    def close(self) -> None:
        """End the display; print errors and closing lines."""
        self._live.stop()
        self._run.remember()
        # An error reported by the job itself says more than Snakemake's error message.
        for text in [*(self._run.faults() or self._errors), *self._last]:
            self._print(text)
        self._errors, self._last = [], []  # Snakemake closes its handlers more than once
        super().close()

    def _print(self, text: str) -> None:
        if text:
            self._console.print(text, markup=False)

    @property
    def writes_to_stream(self) -> bool:
        """It replaces Snakemake's own output."""
        return True

    @property
    def writes_to_file(self) -> bool:
        """Snakemake keeps its own log file."""
        return False

    @property
    def has_filter(self) -> bool:
        """It chooses itself what is shown."""
        return True

    @property
    def has_formatter(self) -> bool:
        """It formats records itself."""
        return True

    @property
    def needs_rulegraph(self) -> bool:
        """The graph of rules is not shown."""
        return False


def _tell_plainly(record: LogRecord) -> None:
    """Reduce the traceback of a file that is missing or cannot be used to one line."""
    if not hasattr(record, "exception"):
        return
    overlay = _fault_of_overlay(sys.argv[1:])
    fault = getattr(builtins, str(record.exception), None)
    if overlay:
        record.msg = f"error: {overlay}"
    elif isinstance(fault, type) and issubclass(fault, OSError):
        *_, last = str(record.msg).split("\n" + fault.__name__ + ": ")
        record.msg = "error: " + re.sub(r"^\[Errno \d+\] ", "", last.strip())


def _fault_of_overlay(arguments: Sequence[str]) -> str | None:
    """Find a fault of the files of --configfile, which Snakemake reads before the workflow."""
    # Not earlier: the checkout that runs may have a wpl_lab of its own, and adds it to the path.
    from wpl_lab.io.yaml_syntax import fault_in  # noqa: PLC0415

    parser = ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--configfile", "--configfiles", nargs="+", action="extend", default=[])
    for file in parser.parse_known_args(arguments)[0].configfile:
        if fault := fault_in(Path(file)):
            return fault
    return None


def _is_needless(record: LogRecord) -> bool:
    """Whether a record is the banner of a run, a note that repeats for each job, or a target."""
    event = getattr(record, "event", None)
    if event is LogEvent.WORKFLOW_STARTED:
        return True
    if event is LogEvent.JOB_INFO and not getattr(record, "rule_msg", None):
        return True  # a target, a rule without a message, lists every result as its input
    return any(part in str(record.msg) for part in NEEDLESS)
