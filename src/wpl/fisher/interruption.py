"""Long estimates: a progress bar, and interruption by Ctrl-C that keeps the result so far."""

import signal
import threading
from collections.abc import Iterable, Iterator, Sized
from types import FrameType, TracebackType
from typing import Any, Self

from tqdm import tqdm

from wpl.fisher.information import Fisher

_FORMAT = "{desc}{percentage:3.0f}%|{bar}| {n:.2f}/{total_fmt} batches [{elapsed}<{remaining}]"


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


class Bar:
    """A progress bar over batches that moves within a batch, too."""

    def __init__(self, batches: Iterable[Any], *, show: bool) -> None:
        """Show an empty bar, or none.

        Args:
            batches: Their number is shown, if it is known.
            show: Whether there is a bar at all.
        """
        total = len(batches) if isinstance(batches, Sized) else None
        self._bar = tqdm(total=total, bar_format=_FORMAT, leave=False) if show else None

    def over(self, batches: Iterable[Any]) -> Iterator[Any]:
        """Iterate over batches.

        Yields:
            The batches.
        """
        try:
            for done, batch in enumerate(batches, 1):
                yield batch
                if self._bar is not None:
                    self._bar.update(done - self._bar.n)
        finally:
            if self._bar is not None:
                self._bar.close()

    def move(self, share: float) -> None:
        """Advance by a share of a batch."""
        if self._bar is not None:
            self._bar.update(share)
