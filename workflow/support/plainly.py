"""Errors that a user can fix, reported in one line each."""

from collections.abc import Iterator
from contextlib import contextmanager

from snakemake.exceptions import WorkflowError


@contextmanager
def plainly() -> Iterator[None]:
    """Exit with the error messages alone, without the stack that Snakemake would show.

    Raises:
        SystemExit: Instead of a ``WorkflowError``; one line for each error.
    """
    try:
        yield
    except WorkflowError as error:
        lines = (f"error: {line}" for line in str(error).splitlines())
        raise SystemExit("\n".join(lines)) from None
