"""Faults that a user can mend, in one line each."""

from collections.abc import Iterator
from contextlib import contextmanager

from snakemake.exceptions import WorkflowError


@contextmanager
def plainly() -> Iterator[None]:
    """End with the faults alone, where Snakemake would show what code they passed through.

    Raises:
        SystemExit: In place of a ``WorkflowError``; one line for each fault.
    """
    try:
        yield
    except WorkflowError as error:
        lines = (f"error: {line}" for line in str(error).splitlines())
        raise SystemExit("\n".join(lines)) from None
