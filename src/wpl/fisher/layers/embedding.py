"""Embeddings: only the rows whose ids occur in a sample have a gradient."""

import torch
import torch.nn.functional as F
from torch import Tensor

from wpl.fisher.accumulation.squares import SCRATCH, Contribution, Outer, Total, positions
from wpl.fisher.layers.registry import Form, Samples, register


@register(F.embedding, samples=Samples.LEADING)
def embedding(
    input: Tensor,  # noqa: A002
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> list[Form] | None:
    """Closed form of ``F.embedding``, except options that change the weight; see ``register``."""
    del norm_type, sparse
    if max_norm is not None or scale_grad_by_freq:
        return None
    ids = input.reshape(len(input), -1)

    def picked(gradient: Tensor) -> Picked:
        g = positions(gradient)
        if padding_idx is not None:
            g = g * (ids != padding_idx % len(weight)).unsqueeze(-1)
        return Picked(ids, g, len(weight))

    return [(weight, picked)]


class Picked(Contribution):
    """The gradient of an embedding: g_t is added to row id_t, for each sample.

    Args:
        ids: ``(sample, time)``.
        g: Gradients of the outputs ``(sample, time, width)``.
        height: Number of rows of the embedding.
    """

    def __init__(self, ids: Tensor, g: Tensor, height: int) -> None:
        self.ids, self.g, self.height = ids, g, height
        self.samples = len(ids)

    @staticmethod
    def united(parts: list["Picked"]) -> "Picked":
        """Join several uses of one embedding along time."""
        if len(parts) == 1:
            return parts[0]
        ids, g = torch.cat([p.ids for p in parts], 1), torch.cat([p.g for p in parts], 1)
        return Picked(ids, g, parts[0].height)

    def dense(self, rows: slice) -> Tensor:
        """See ``Contribution``; ``(sample, height, width)``."""
        ids, g = self.ids[rows], self.g[rows]
        out = g.new_zeros(len(ids) * self.height, g.shape[2])
        out.index_add_(0, self._keys(ids).flatten(), g.reshape(-1, g.shape[2]))
        return out.view(len(ids), self.height, g.shape[2])

    def gradient(self) -> Tensor:
        """See ``Contribution``."""
        g = self.g.flatten(0, 1)
        return g.new_zeros(self.height, g.shape[1]).index_add_(0, self.ids.flatten(), g)

    def joined(self, others: list[Contribution]) -> Contribution | None:
        """See ``Contribution``."""
        outer: list[Contribution] = [o for o in others if isinstance(o, Outer)]
        picked = Picked.united([self, *(o for o in others if isinstance(o, Picked))])
        if not outer:
            return picked if all(isinstance(o, Picked) for o in others) else None
        decoder = outer[0].joined(outer[1:]) if len(outer) > 1 else outer[0]
        known = all(isinstance(o, Picked | Outer) for o in others)
        return Tied(decoder, picked) if known and isinstance(decoder, Outer) else None

    def add_squares_(self, total: Total) -> None:
        """See ``Contribution``; the gradients of an id in a sample are summed, then squared."""
        keys, where = torch.unique(self._keys(self.ids), return_inverse=True)
        width = self.g.shape[2]
        rows = self.g.new_zeros(len(keys), width)
        rows.index_add_(0, where.flatten(), self.g.reshape(-1, width))
        total.tensor().index_add_(0, keys % self.height, rows.square_())

    def _keys(self, ids: Tensor) -> Tensor:
        return ids + torch.arange(len(ids), device=ids.device).unsqueeze(1) * self.height


class Tied(Contribution):
    """A decoder D tied to the embedding E: (D + E)² = D² + E² + 2DE, the last term on E's rows."""

    def __init__(self, decoder: Outer, embedding: Picked) -> None:
        self._decoder, self._embedding = decoder, embedding
        self.samples = decoder.samples

    def dense(self, rows: slice) -> Tensor:
        """See ``Contribution``."""
        return self._decoder.dense(rows) + self._embedding.dense(rows)

    def gradient(self) -> Tensor:
        """See ``Contribution``."""
        return self._decoder.gradient() + self._embedding.gradient()

    def add_squares_(self, total: Total) -> None:
        """See ``Contribution``."""
        self._decoder.add_squares_(total)
        self._embedding.add_squares_(total)
        a, g = self._decoder.a, self._decoder.g
        ids, e = self._embedding.ids, self._embedding.g
        step = max(1, SCRATCH // (ids.shape[1] * (g.shape[1] + a.shape[2]) * a.element_size()))
        for start in range(0, self.samples, step):
            rows = slice(start, start + step)
            index = ids[rows].unsqueeze(1).expand(-1, g.shape[1], -1)
            used = torch.gather(g[rows], 2, index)  # (sample, time of D, time of E)
            cross = torch.bmm(used.transpose(1, 2), a[rows]).mul_(e[rows])
            total.tensor().index_add_(0, ids[rows].flatten(), cross.flatten(0, 1), alpha=2)
        total.tensor().clamp_(min=0)  # rounding could make a square negative
