"""Oracle: the diagonal Fisher information by definition, one sample and one vector at a time."""

import torch


def gradients(model, x, vectors, copies):
    """Back-propagate vectors from the logits of one sample, the first of a batch of copies."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    logits = model(torch.stack([x] * copies))[:1]
    for vector in vectors(logits.detach()[0]):
        found = torch.autograd.grad(
            logits, parameters, vector[None], retain_graph=True, allow_unused=True
        )
        yield [
            torch.zeros_like(p) if g is None else g for p, g in zip(parameters, found, strict=True)
        ]


def fisher(model, inputs, vectors, copies=2):
    """Sum the squared gradients of all vectors; ``vectors`` takes sample and logits.

    There are two copies of a sample, because torch 2.15 computes wrong gradients of batch norm for
    a batch of one; for models whose samples interact, there is one.
    """
    names = [name for name, p in model.named_parameters() if p.requires_grad]
    total = [torch.zeros_like(p) for p in model.parameters() if p.requires_grad]
    for n, x in enumerate(inputs):
        for found in gradients(model, x, lambda logits, n=n: vectors(n, logits), copies):
            for t, g in zip(total, found, strict=True):
                t.add_(g**2)
    return dict(zip(names, [t / len(inputs) for t in total], strict=True))


def empirical(labels):
    def vectors(n, logits):
        yield logits.softmax(-1) - torch.nn.functional.one_hot(labels[n], logits.shape[-1])

    return vectors


def exact(n, logits):
    """Return √p_c (e_c − p) for each position and class."""
    p = logits.softmax(-1).reshape(-1, logits.shape[-1])
    for t in range(len(p)):
        for c in range(p.shape[1]):
            vector = torch.zeros_like(p)
            vector[t] = -p[t]
            vector[t, c] += 1
            yield (vector * p[t, c].sqrt()).reshape(logits.shape)


def sketch(generator):
    def vectors(n, logits):
        signs = 2.0 * torch.randint(2, logits.shape, generator=generator, dtype=torch.uint8) - 1
        p = logits.softmax(-1)
        yield p.sqrt() * signs - p * (p.sqrt() * signs).sum(-1, keepdim=True)

    return vectors


def drawn(generator):
    """Draw labels position by position, by inverting the cumulative distribution."""

    def vectors(n, logits):
        p = logits.softmax(-1)
        labels = []
        for q in p.reshape(-1, p.shape[-1]):
            u = torch.rand((), generator=generator, dtype=torch.float64)
            labels.append(
                next(c for c in range(len(q)) if u <= q[: c + 1].sum() or c == len(q) - 1)
            )
        yield from empirical({n: torch.tensor(labels).reshape(p.shape[:-1])})(n, logits)

    return vectors


def of_kind(kind, labels, seed):
    generator = torch.Generator().manual_seed(seed)
    return {
        "empirical": empirical(labels),
        "exact": exact,
        "sketch": sketch(generator),
        "mc": drawn(generator),
    }[kind]
