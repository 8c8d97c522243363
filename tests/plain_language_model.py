"""A language model with one recurrent cell and autograd: the oracle for models side by side."""

import torch
import torch.nn.functional as F
from torch import nn

from wpl_lab.search.spaces.recurrence import LARGEST_NORM

FUNCTIONS = {
    "tanh": torch.tanh,
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "identity": lambda z: z,
}


class PlainLanguageModel(nn.Module):
    """The model written operation by operation, with the weights of one run, by name."""

    def __init__(self, weights, genotype, *, state=None, dropped=None, child=0):
        super().__init__()
        self.genotype, self.state, self.dropped, self.child = genotype, state, dropped, child
        for name, weight in weights.items():
            self.register_parameter(name.replace(".", "/"), nn.Parameter(weight.clone()))

    def weight(self, name):
        return self.get_parameter(name.replace(".", "/"))

    def gradients(self):
        """Return the gradients by name; 0 if a weight is not used."""
        found = dict(self.named_parameters()).items()
        return {
            n.replace("/", "."): torch.zeros_like(p) if p.grad is None else p.grad for n, p in found
        }

    def forward(self, tokens):
        """Map tokens ``(batch, time)`` to logits ``(batch, time, word)``."""
        x = F.embedding(tokens, self.weight("embedding"))
        recurrent, drop = self.weight("recurrent"), self.dropped
        if drop:
            x = x * drop.embedded[self.child][:, None]
            recurrent = recurrent * drop.recurrent[self.child]
        inputs = F.linear(x, self.weight("input"))
        h = x.new_zeros(len(x), x.shape[2]) if self.state is None else self.state
        states = []
        for t in range(tokens.shape[1]):
            gate, candidate = (F.linear(h, recurrent) + inputs[:, t]).chunk(2, 1)
            nodes = [torch.lerp(h, candidate.tanh(), gate.sigmoid())]
            for i, (source, activation) in enumerate(self.genotype.nodes, start=1):
                edge = self.weight(f"edge.{source}_{i}")
                gate, candidate = F.linear(nodes[source], edge).chunk(2, 1)
                gate = gate.sigmoid()
                if drop and drop.paths is not None:
                    gate = gate * drop.paths[i - 1, self.child, 0][:, None]
                nodes.append(torch.lerp(nodes[source], FUNCTIONS[activation](candidate), gate))
            h = torch.stack([nodes[i] for i in self.genotype.loose_ends]).mean(0)
            norm = torch.linalg.vector_norm(h, dim=1, keepdim=True)
            h = h * (LARGEST_NORM / norm.clamp(min=LARGEST_NORM))
            states.append(h)
        output = torch.stack(states, 1)
        if drop:
            output = output * drop.output[self.child][:, None]
        return F.linear(output, self.weight("embedding"), self.weight("bias"))
