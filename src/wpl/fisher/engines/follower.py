"""Follows the samples of a batch through the calls of a forward pass."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode

from wpl.fisher.engines.functions import Kind, kind_of
from wpl.fisher.engines.row_probe import probe, tensors_in
from wpl.fisher.engines.row_rules import Call, place_in_item
from wpl.fisher.engines.row_table import CONSTANT
from wpl.fisher.engines.rows import FIRST, MIXED, Mixed, Place, Rows

_MARK = "_wpl_place"
_UNMARKED = (None, None)


class Follower(TorchFunctionMode):
    """Marks each tensor with the place of the samples in it.

    Unmarked tensors do not depend on the samples. Where samples may meet, the mark is ``MIXED``.
    """

    def __init__(self, batch: int) -> None:
        """Follow ``batch`` samples, at least two."""
        super().__init__()
        self.batch = batch
        self._token = object()  # marks of other passes do not count
        self._sound = True

    def place(self, tensor: Tensor) -> Place | None:
        """Look up where the samples are in a tensor; None if it does not depend on them."""
        mark = getattr(tensor, _MARK, _UNMARKED)
        if mark[0] is self._token:
            place: Place | None = mark[1]
            return place
        if tensor.requires_grad and not self.is_parameter(tensor):
            return MIXED  # made in a way that was not seen
        return None

    def is_parameter(self, value: object) -> bool:
        """Tell whether a value is one of the parameters."""
        raise NotImplementedError

    def mark(self, tensor: Tensor, place: Place | None) -> None:
        """Note where the samples are in a tensor."""
        setattr(tensor, _MARK, (self._token, place))

    def is_sound(self, logits: Tensor) -> bool:
        """Tell whether each row of the logits is known to depend on its own sample only."""
        return self._sound and self.place(logits) == FIRST

    def follow_known(
        self,
        kind: Kind,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        tensors: list[Tensor],
        out: Any,
    ) -> bool:
        """Mark what a call returned that changes nothing in place, if its rule is enough for it.

        Returns:
            Whether it was: so it is with most calls, and ``follow`` decides on the others.
        """
        if kind.rule is None or not isinstance(out, Tensor):
            return False
        marked = []
        for tensor in tensors:
            place = self.place(tensor)
            if place.__class__ is Rows:
                marked.append((tensor, place))
            elif place is not None:
                return False
        found = kind.rule(Call(args, kwargs, marked, out, 0, self.batch)) if marked else None
        if found.__class__ is not Rows or not found.fits(out.shape, self.batch):
            return False
        self.mark(out, found)
        return True

    def follow(
        self,
        func: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        tensors: list[Tensor],
        places: list[Place | None],
        out: Any,
    ) -> None:
        """Mark what a call returned.

        Args:
            func: The function called.
            args: What it was called with.
            kwargs: And by keyword.
            tensors: The tensors among both.
            places: Where the samples were in them, before a change in place.
            out: Its result.
        """
        kind = kind_of(func)
        results = [out] if isinstance(out, Tensor) else tensors_in(out)
        marked = [(t, p) for t, p in zip(tensors, places, strict=True) if p.__class__ is Rows]
        mixed = MIXED in places
        if not marked and not mixed:
            for result in results:
                if result.requires_grad and not self.is_parameter(result):
                    self.mark(result, None)
        elif kind.name == "__setitem__":
            before = {id(t): place for t, place in zip(tensors, places, strict=True)}
            self._follow_setitem(*args, before=before, mixed=mixed)
        elif kind.base not in CONSTANT and results:
            changed = args[0] if kind.in_place and args else kwargs.get("out")
            found: list[Place] = [MIXED] * len(results)
            if not mixed:
                found = self._find(func, args, kwargs, marked, results, changed is not None)
            self._mark_all(results, found, changed)
        elif kind.decides:
            self._sound = False

    def _mark_all(self, results: list[Tensor], found: list[Place], changed: object) -> None:
        for result, place in zip(results, found, strict=True):
            if result is changed:
                self._change(result, place)
            else:
                self.mark(result, place)

    def _find(
        self,
        func: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        marked: list[tuple[Tensor, Rows]],
        results: list[Tensor],
        in_place: bool,
    ) -> list[Place]:
        rule = kind_of(func).rule
        found: list[Place] = []
        for index, result in enumerate(results):
            call = Call(args, kwargs, marked, result, index, self.batch)
            place = None if rule is None else rule(call)
            if place is None:
                break
            fits = isinstance(place, Rows) and place.fits(result.shape, self.batch)
            found.append(place if fits else MIXED)
        if len(found) == len(results):
            return found
        if in_place:
            return [MIXED] * len(results)
        return probe(func, args, kwargs, self.place, results, self.batch)

    def _follow_setitem(
        self,
        target: Tensor,
        index: Any,
        value: Any,
        *,
        before: Mapping[int, Place | None],
        mixed: bool,
    ) -> None:
        place = MIXED if mixed or tensors_in(index) else before[id(target)]
        source = before.get(id(value))
        if isinstance(place, Mixed):
            self._change(target, place)
            return
        found: Place = MIXED
        part = target[index]
        for dim in range(target.ndim) if place is None else [place.dim]:
            row = place or (source.moved(dim) if isinstance(source, Rows) else None)
            if row is None or not row.fits(target.shape, self.batch):
                continue
            inside = place_in_item(target, row, index)
            if (source is None and isinstance(inside, Rows)) or (
                isinstance(source, Rows)
                and (inside == source.moved(part.ndim - value.ndim + source.dim))
            ):
                found = row
        self._change(target, found)

    def _change(self, tensor: Tensor, place: Place) -> None:
        """Note what a tensor holds after a change in place; its views would not know."""
        mark = getattr(tensor, _MARK, None)
        before = mark[1] if mark is not None and mark[0] is self._token else None
        if before != place and tensor._base is not None:
            self._sound = False
        self.mark(tensor, place)
