"""Interruption of long estimates by Ctrl-C, which keeps the result so far."""

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self

from wpl.fisher.information import Fisher


class Interrupted(KeyboardInterrupt):
    """Ctrl-C was pressed during an estimate; holds the estimate on the batches so far.

    Attributes:
        fisher: The estimate on these batches; its ``samples`` is their number of samples.
    """

    def __init__(self, fisher: Fisher) -> None:
        """Keep the estimate."""
        super().__init__(f"the estimate was interrupted after {fisher.samples} samples")
        self.fisher = fisher


class CtrlC:
    """Lets a loop finish its iteration when Ctrl-C is pressed; pressed again, it stops at once.

    Attributes:
        pressed: Whether Ctrl-C was pressed.
    """

    def __init__(self) -> None:
        """Start with Ctrl-C not pressed."""
        self.pressed = False
        self._before: Any = None

    def __enter__(self) -> Self:
        """Handle Ctrl-C, unless there is another handler."""
        main = threading.current_thread() is threading.main_thread()
        if main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            self._before = signal.signal(signal.SIGINT, self._press)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Restore the handler of Ctrl-C."""
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _press(self, number: int, frame: FrameType | None) -> None:
        if self.pressed:
            signal.default_int_handler(number, frame)
        self.pressed = True
