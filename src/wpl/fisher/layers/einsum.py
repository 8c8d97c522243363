"""``torch.einsum`` of an input and weights: a matrix, if dimensions are taken together."""

import torch
from torch import Tensor

from wpl.fisher.accumulation.squares import Outer
from wpl.fisher.layers.registry import Form, register

_MORE = "ABCDEFGH"  # in place of an ellipsis


@register(torch.einsum)
def einsum(equation: str, *operands: Tensor) -> list[Form] | None:
    """Know ``"btd,de->bte"`` and its kin, such as ``"...d,dhk->...hk"``; see ``register``.

    The weight's dimensions are those that are summed over, together, and those that are new. It is
    unknown where a dimension (of heads, say) is in all three.

    Returns:
        The form, if it is known.
    """
    terms, arrow, output = equation.replace(" ", "").partition("->")
    sides = list(zip(operands, terms.split(","), strict=False))
    if len(operands) != 2 or terms.count(",") != 1 or not arrow:
        return None
    if "..." not in sides[0][1] and operands[0].ndim <= len(sides[0][1]):  # it has no samples
        sides.reverse()
    (x, of_x), (weight, of_w) = sides
    if "..." in of_x:
        more = _MORE[: x.ndim + 2 - len(of_x)]
        of_x, output = of_x.replace("...", more), output.replace("...", more)
    if x.ndim != len(of_x) + 1 or weight.ndim != len(of_w):
        return None
    summed, new = ("".join(c for c in of_w if (c in of_x) == both) for both in (True, False))
    where = "".join(c for c in of_x if c not in of_w)
    once = all(len(set(names)) == len(names) for names in (of_x, of_w, output))
    if not once or set(output) != {*where, *new} or of_w not in (summed + new, new + summed):
        return None

    def factor(t: Tensor, names: str, last: str) -> Tensor:
        moved = t.permute(0, *(1 + names.index(c) for c in where + last))
        return moved.flatten(1 + len(where)) if last else moved.unsqueeze(-1)

    def of_weight(g: Tensor) -> Outer:
        a, b = factor(x, of_x, summed), factor(g, output, new)
        return Outer(*((a, b) if of_w == new + summed else (b, a)), weight.shape)

    return [(weight, of_weight)]
