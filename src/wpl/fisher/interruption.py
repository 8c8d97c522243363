"""Ctrl-C during an estimate: the estimate on the batches so far is kept."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from wpl.fisher.information import Fisher


class Interrupted(KeyboardInterrupt):
    """Ctrl-C was pressed during an estimate; holds the estimate on the batches so far.

    Attributes:
        fisher: The estimate on these batches; its ``samples`` is their number of samples.
    """

    def __init__(self, fisher: Fisher) -> None:
        super().__init__(f"the estimate was interrupted after {fisher.samples} samples")
        self.fisher = fisher


@contextmanager
def noted_ctrl_c() -> Iterator[list[int]]:
    """Note that Ctrl-C was pressed, instead of stopping; pressed again, it stops at once.

    Yields:
        A list that is not empty once it was pressed.
    """
    pressed: list[int] = []

    def press(number: int, frame: FrameType | None) -> None:
        if pressed:
            signal.default_int_handler(number, frame)
        pressed.append(number)

    before = signal.getsignal(signal.SIGINT)
    main = threading.current_thread() is threading.main_thread()
    if not main or before is not signal.default_int_handler:
        yield pressed
        return
    signal.signal(signal.SIGINT, press)
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, before)
