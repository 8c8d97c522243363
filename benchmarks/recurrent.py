"""Time a child of the recurrent search, alone and side by side with others, compared with an LSTM.

    python benchmarks/recurrent.py

Times the forward and backward pass of a language model (32 rows of 20 words, vocabulary of 1,000)
on one thread: cells of 2 and 12 nodes (with 200 units: of 2), one alone and 16 side by side, each
with its own weights, and `nn.LSTM` of the same hidden size with a tied decoder. They run in turn.
Prints median and quartiles of the ratios of processor time per child; other processes disturb
processor time less than wall-clock time.
"""

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wpl_lab.search.protocol import draw
from wpl_lab.search.spaces.recurrent import RecurrentSpace
from wpl_lab.search.spaces.recurrent_model import RecurrentModels, initial_weights

WORDS, ROWS, TIME = 1000, 32, 20
BESIDE = 16
ROUNDS = 15


class Yardstick(nn.Module):
    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.embedding = nn.Parameter(torch.empty(WORDS, hidden).uniform_(-0.1, 0.1))
        self.bias = nn.Parameter(torch.zeros(WORDS))
        self.lstm = nn.LSTM(hidden, hidden, batch_first=True)

    def forward(self, tokens: Tensor) -> Tensor:
        states, _ = self.lstm(F.embedding(tokens, self.embedding))
        return F.linear(states, self.embedding, self.bias)


def seconds(run: Callable[..., Any], *given: Any) -> float:
    start = time.process_time()
    run(*given)
    return time.process_time() - start


def by_autograd(model: Yardstick, text: Tensor) -> None:
    model.zero_grad()
    F.cross_entropy(model(text[:, :-1]).flatten(0, 1), text[:, 1:].flatten()).backward()


def side_by_side(models: RecurrentModels, text: Tensor) -> None:
    tokens = text.expand(len(models.runs), -1, -1)
    read = models.read(tokens[..., :-1])
    labels = text[:, 1:].t().flatten()

    def error_of(child: int) -> Tensor:
        p = torch.softmax(models.logits(read, child), 1)
        p[torch.arange(len(p)), labels] -= 1
        return p.div_(len(p))

    models.gradients(read, error_of)


def models_of(count: int, nodes: int, hidden: int, random: torch.Generator) -> RecurrentModels:
    space = RecurrentSpace(nodes)
    each = [
        initial_weights(WORDS, nodes=nodes, hidden=hidden, generator=random) for _ in range(count)
    ]
    weights = {name: torch.stack([of[name] for of in each]) for name in each[0]}
    return RecurrentModels(weights, [(run, draw(space, random)) for run in range(count)])


def main() -> None:
    torch.set_num_threads(1)
    random = torch.Generator().manual_seed(0)
    print(f"hidden  nodes  LSTM µs/word  one/LSTM              one of {BESIDE}/LSTM")
    for hidden, nodes_of in ((16, (2, 12)), (32, (2, 12)), (200, (2,))):
        lstm = Yardstick(hidden)
        for nodes in nodes_of:
            times = []
            for _ in range(ROUNDS + 3):
                text = torch.randint(WORDS, (ROWS, TIME + 1), generator=random)
                one, many = (models_of(count, nodes, hidden, random) for count in (1, BESIDE))
                times.append(
                    (
                        seconds(by_autograd, lstm, text),
                        seconds(side_by_side, one, text),
                        seconds(side_by_side, many, text) / BESIDE,
                    )
                )
            times = times[3:]  # the first ones are warm-up
            base = statistics.median(t[0] for t in times) / (ROWS * TIME) * 1e6
            ratios = [[t[a] / t[0] for t in times] for a in (1, 2)]
            cells = [
                "{1:5.2f} ({0:.2f} to {2:.2f})".format(*statistics.quantiles(r)) for r in ratios
            ]
            print(f"{hidden:6}  {nodes:5}  {base:12.1f}  {'  '.join(f'{c:21}' for c in cells)}")


if __name__ == "__main__":
    main()
