"""Train one architecture alone, from scratch: the truth that a search is judged by."""

import itertools

import torch

from wpl_lab.search.descent import check, step
from wpl_lab.search.protocol import Genotype, Row, Task
from wpl_lab.seeding import generator


def train_alone(
    task: Task,
    genotype: Genotype,
    *,
    seed: int,
    batches: int,
    learning_rate: float,
    gradient_norm: float,
    weight_decay: float,
    explosion: float,
) -> Row:
    """Train an architecture on weights that no other one shares.

    The learning rate is constant in the first half and falls linearly to 0 in the second.

    Args:
        task: Data, and a freshly made model.
        genotype: The architecture.
        seed: Root seed of the run.
        batches: Number of training batches.
        learning_rate: Of gradient descent.
        gradient_norm: Longest gradient; longer ones are shortened to it.
        weight_decay: λ of the loss term λ/2 ‖θ‖².
        explosion: A cross-entropy above this many times that of guessing is an explosion.

    Returns:
        Genotype and seed, cross-entropy in nats on ``select`` and on ``test``, error on ``test``,
        and the work: the number of predictions, a trained one counting three.

    Raises:
        ExplodedError: If the training explodes; names the genotype.
    """
    child = task.child(genotype)
    parameters = {name: task.model.get_parameter(name) for name in task.used(genotype)}
    device = next(task.model.parameters()).device
    dropout = generator(seed, "standalone", "dropout", device=device)
    work, losses = 0, []
    for number, (inputs, targets) in enumerate(itertools.islice(task.batches(0, seed), batches)):
        loss = task.loss(child, inputs, targets, dropout)
        step(
            parameters,
            loss,
            learning_rate=learning_rate * min(1.0, 2 * (1 - number / batches)),
            gradient_norm=gradient_norm,
            weight_decay=weight_decay,
        )
        losses.append(loss.detach())
        work += 3 * targets.numel()
    limit = explosion * task.guessing
    check(genotype, torch.stack(losses).max().item(), limit)
    child = task.child(genotype)
    select, test = task.score(child, "select"), task.score(child, "test")
    return {
        "genotype": str(genotype),
        "seed": seed,
        "select": check(genotype, select.nats, limit),
        "test": check(genotype, test.nats, limit),
        "test_error": test.error,
        "work": work + task.predictions("select"),
    }
