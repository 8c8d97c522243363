"""What a child of the recurrent search costs, against an LSTM of the same hidden size.

    python benchmarks/recurrent.py

Times forward and backward pass of a language model, 32 rows of 20 words of 1,000, on one thread:
cells of 2 and 12 nodes, with the backward pass of their own (``fused``) and without (``unrolled``),
and ``nn.LSTM`` with a tied decoder. They take turns; prints median and quartiles of the ratios of
processor time, which neighbours disturb less than that of the clock.
"""

import statistics
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wpl_lab.search.protocol import draw
from wpl_lab.search.spaces import recurrent_model
from wpl_lab.search.spaces.recurrence import fused, unrolled
from wpl_lab.search.spaces.recurrent import RecurrentSpace
from wpl_lab.search.spaces.recurrent_model import RecurrentModel

WORDS, ROWS, TIME = 1000, 32, 20
ROUNDS = 101


class Yardstick(nn.Module):
    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.embedding = nn.Parameter(torch.empty(WORDS, hidden).uniform_(-0.1, 0.1))
        self.bias = nn.Parameter(torch.zeros(WORDS))
        self.lstm = nn.LSTM(hidden, hidden, batch_first=True)

    def forward(self, tokens: Tensor) -> Tensor:
        states, _ = self.lstm(F.embedding(tokens, self.embedding))
        return F.linear(states, self.embedding, self.bias)


def seconds(logits: Callable[[Tensor], Tensor], model: nn.Module, text: Tensor) -> float:
    model.zero_grad()
    start = time.process_time()
    loss = F.cross_entropy(logits(text[:, :-1]).flatten(0, 1), text[:, 1:].flatten())
    loss.backward()
    return time.process_time() - start


def child_seconds(run: Callable[..., Tensor], model: RecurrentModel, text: Tensor) -> float:
    """Of a cell drawn for this call, the same one for the same state of the random numbers."""
    recurrent_model.fused = run  # what training uses
    space = RecurrentSpace(2 if len(model.edge) == 3 else 12)
    cell = draw(space, torch.Generator().manual_seed(int(text[0, 0])))
    return seconds(lambda tokens: model(tokens, cell)[0], model, text)


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    print("hidden  nodes  LSTM µs/word  fused/LSTM           unrolled/LSTM        unrolled/fused")
    for hidden in (16, 32, 200):
        lstm = Yardstick(hidden)
        for nodes in (2, 12):
            model = RecurrentModel(WORDS, nodes=nodes, hidden=hidden)
            times = []
            for _ in range(ROUNDS + 3):
                text = torch.randint(WORDS, (ROWS, TIME + 1))
                yardstick = seconds(lstm, lstm, text)
                children = [child_seconds(run, model, text) for run in (fused, unrolled)]
                times.append((yardstick, *children))
            times = times[3:]  # the first are slower
            base = statistics.median(t[0] for t in times) / (ROWS * TIME) * 1e6
            ratios = [[t[a] / t[b] for t in times] for a, b in ((1, 0), (2, 0), (2, 1))]
            cells = [
                "{1:5.2f} ({0:.2f} to {2:.2f})".format(*statistics.quantiles(r)) for r in ratios
            ]
            print(f"{hidden:6}  {nodes:5}  {base:12.1f}  {'  '.join(f'{c:21}' for c in cells)}")


if __name__ == "__main__":
    main()
