"""Idioms of forward passes between layers, on ``(batch, time, feature)``."""

import torch
import torch.nn.functional as F
from torch import nn

TIME, WIDTH = 4, 6
TABLE = torch.linspace(0, 1, WIDTH)
ROWS = torch.linspace(-1, 1, TIME * WIDTH).view(TIME, WIDTH)


class Scaled(torch.autograd.Function):
    """A product plus a sum, as an autograd.Function without a rule for ``torch.vmap``."""

    @staticmethod
    def forward(ctx, x, weight):
        ctx.save_for_backward(x, weight)
        return x * weight, x + weight

    @staticmethod
    def backward(ctx, of_product, of_sum):
        x, weight = ctx.saved_tensors
        sent = of_product * x + of_sum
        return of_product * weight + of_sum, sent.reshape(-1, len(weight)).sum(0)


def written(h):
    out = torch.zeros(len(h), TIME, WIDTH, dtype=h.dtype)
    for t in range(TIME):
        out[:, t] = h[:, t].tanh()
    return out


def normalised(h):
    return h / h.norm(dim=-1, keepdim=True)


def attended(h):
    scores = torch.einsum("bid,bjd->bij", h, h)
    mask = torch.ones(TIME, TIME).triu(1).bool()
    return torch.einsum("bij,bjd->bid", scores.masked_fill(mask, -1e9).softmax(-1), h)


def checked(h):
    assert not h.isnan().any()
    return h * 2 if torch.ones(3).any() else h


def branching(h):
    """Take one of two branches, depending on the sample."""
    return h.tanh() if (h.sum() > 0).item() else h.sin()


def looped(h):
    """Take a number of steps that depends on the sample."""
    for _ in range(int(h.argmax()) % 3):
        h = h.tanh()
    return h


# Each keeps the shape. All weights before and after them have closed forms.
IDIOMS = {
    "a constant table, to": lambda h: h + TABLE.to(h),
    "a constant table, type_as": lambda h: h + TABLE.type_as(h),
    "expand_as": lambda h: h * torch.ones(WIDTH).to(h).expand_as(h),
    "attention by einsum": attended,
    "bmm": lambda h: torch.bmm(torch.bmm(h, h.mT).softmax(-1), h),
    "baddbmm": lambda h: torch.baddbmm(h, h @ h.mT, h),
    "unfold": lambda h: F.pad(h, (1, 1)).unfold(2, 3, 1).mean(-1),
    "roll": lambda h: torch.roll(h, 1, 1),
    "gather": lambda h: h.gather(1, torch.zeros(len(h), TIME, WIDTH, dtype=torch.long)),
    "index_select": lambda h: h.index_select(1, torch.tensor([3, 2, 1, 0])),
    "an index": lambda h: h[:, torch.tensor([3, 2, 1, 0])],
    "flip": lambda h: h.flip(1),
    "repeat_interleave": lambda h: h.repeat_interleave(2, 2)[..., ::2],
    "fft": lambda h: torch.fft.fft(h, dim=1).real,
    "topk": lambda h: h.topk(WIDTH, -1).values,
    "norm": normalised,
    "written into zeros": written,
    "a list of steps": lambda h: torch.stack([h[:, t].tanh() for t in range(TIME)], 1),
    "iteration over rows": lambda h: torch.stack([row.tanh() for row in h]),
    "chunks of the batch": lambda h: torch.cat([c.tanh() for c in h.chunk(2)]),
    "merged with time": lambda h: h.reshape(-1, WIDTH).tanh().reshape(len(h), TIME, WIDTH),
    "one_hot": lambda h: h * F.one_hot(h.argmax(-1), WIDTH),
    "cumprod": lambda h: h.sigmoid().cumprod(1),
    "std": lambda h: (h - h.mean(-1, keepdim=True)) / h.std(-1, keepdim=True),
    "an assertion on values": checked,
    "a branch for each sample": branching,
    "as many steps as a sample asks for": looped,
    "samples that meet weakly": lambda h: h - 1e-5 * h.sum(0),
}


class Between(nn.Module):
    """Two layers with an idiom between them."""

    def __init__(self, idiom):
        super().__init__()
        self.first, self.last = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, 3)
        self.idiom = idiom

    def forward(self, x):
        return self.last(self.idiom(self.first(x)))


class With(nn.Module):
    """Two layers with a function between them that uses further parameters."""

    def __init__(self, use, **shapes):
        super().__init__()
        self.first, self.last = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, 3)
        for name, shape in shapes.items():
            setattr(self, name, nn.Parameter(torch.randn(shape)))
        self.use = use

    def forward(self, x):
        return self.last(self.use(self, self.first(x)))


def biased_attention(m, h):
    """Attention with a bias for relative positions, as in Swin and T5."""
    where = torch.arange(TIME)[:, None] - torch.arange(TIME)[None] + TIME - 1
    q = h.unsqueeze(1)
    return F.scaled_dot_product_attention(q, q, q, attn_mask=m.table[where][None, None])[:, 0]


# A function that uses parameters, their shapes, and whether all have a closed form.
USES = {
    "addmm of all positions": (
        lambda m, h: torch.addmm(m.b, h.reshape(-1, WIDTH), m.w).view_as(h),
        {"w": (WIDTH, WIDTH), "b": (WIDTH,)},
        True,
    ),
    "a transposed weight": (lambda m, h: h @ m.w.t(), {"w": (WIDTH, WIDTH)}, True),
    "from the left": (lambda m, h: m.w @ h, {"w": (TIME, TIME)}, True),
    "a norm by hand": (
        lambda m, h: m.w * h * h.pow(2).mean(-1, keepdim=True).rsqrt(),
        {"w": (WIDTH,)},
        False,
    ),
    "class token and positions": (
        lambda m, h: (torch.cat([m.token.expand(len(h), -1, -1), h], 1) + m.where)[:, 1:],
        {"token": (1, 1, WIDTH), "where": (1, TIME + 1, WIDTH)},
        False,
    ),
    "positions by index": (
        lambda m, h: h + F.embedding(torch.arange(TIME)[None], m.w),
        {"w": (TIME, WIDTH)},
        True,
    ),
    "relative positions": (biased_attention, {"table": (2 * TIME - 1,)}, False),
    "einsum": (lambda m, h: torch.einsum("btd,de->bte", h, m.w), {"w": (WIDTH, WIDTH)}, True),
    "einsum, the weight first": (
        lambda m, h: torch.einsum("ed, ...d -> e...", m.w, h).movedim(0, -1),
        {"w": (WIDTH, WIDTH)},
        True,
    ),
    "einsum into heads and back": (
        lambda m, h: torch.einsum(
            "bhtk,hkd->btd", torch.einsum("btd,dhk->bhtk", h, m.w).tanh(), m.back
        ),
        {"w": (WIDTH, 2, 5), "back": (2, 5, WIDTH)},
        True,
    ),
    "einsum, twice": (
        lambda m, h: torch.einsum(
            "btd,dhk->bthk", torch.einsum("btd,dhk->bthk", h, m.w)[..., 0, :], m.w
        )[..., 1, :],
        {"w": (WIDTH, 2, WIDTH)},
        True,
    ),
    "einsum within heads": (
        lambda m, h: torch.einsum("bthd,hde->bthe", h.unflatten(2, (2, 3)), m.w).flatten(2),
        {"w": (2, 3, 3)},
        False,
    ),
    "a constant times weights": (lambda m, h: h + ROWS.to(h) @ m.w, {"w": (WIDTH, WIDTH)}, False),
    "a constant times weights, einsum": (
        lambda m, h: h + torch.einsum("sd,de->se", ROWS.to(h), m.w),
        {"w": (WIDTH, WIDTH)},
        False,
    ),
    "a function of one's own": (
        lambda m, h: Scaled.apply(h, m.w)[0] + m.b * Scaled.apply(m.w, m.w)[1],
        {"w": (WIDTH,), "b": (WIDTH,)},
        False,
    ),
    "a standardised weight": (
        lambda m, h: F.linear(h, (m.w - m.w.mean(1, keepdim=True)) / m.w.std(1, keepdim=True)),
        {"w": (WIDTH, WIDTH)},
        False,
    ),
    "joined weights": (
        lambda m, h: F.linear(h, torch.cat([m.a, m.b])),
        {"a": (2, WIDTH), "b": (4, WIDTH)},
        False,
    ),
    "bilinear": (lambda m, h: F.bilinear(h, h, m.w), {"w": (WIDTH, WIDTH, WIDTH)}, False),
    "a batch norm of one, flattened and transposed": (
        lambda m, h: (
            F.batch_norm(
                h.view(len(h), TIME, 2, 3), torch.zeros(4).to(h), torch.ones(4).to(h), m.w, m.b
            )
            .flatten(2)
            .transpose(1, 2)
            .tanh()
            .reshape(len(h), TIME, WIDTH)
        ),
        {"w": (TIME,), "b": (TIME,)},
        True,
    ),
}
