"""Train architectures alone, from scratch: the ground truth for searches."""

import itertools
import math
from collections.abc import Sequence

import torch

from wpl_lab.progress import report
from wpl_lab.search.descent import clip_, step_, used_by
from wpl_lab.search.protocol import Genotype, Row, Task
from wpl_lab.seeding import generator


def train_alone(
    task: Task,
    runs: Sequence[tuple[int, Genotype]],
    *,
    batches: int,
    learning_rate: float,
    gradient_norm: float,
    weight_decay: float,
    explosion: float,
) -> list[Row]:
    """Train architectures side by side, each on weights that no other one shares.

    The learning rate is constant in the first half and decays linearly to 0 in the second. The
    result of an architecture does not depend on those beside it.

    Args:
        task: Data and models.
        runs: The root seed and the architecture of each.
        batches: Number of training batches.
        learning_rate: Learning rate of gradient descent.
        gradient_norm: Gradient-clipping norm.
        weight_decay: λ of the loss term λ/2 ‖θ‖².
        explosion: Training has diverged if the cross-entropy exceeds this multiple of that of a
            uniform prediction.

    Returns:
        For each, genotype and seed; cross-entropy in nats on ``select`` and on ``test``, and the
        error on ``test``, infinite if training has diverged; whether it has; the number of
        training batches; the number of weights that the architecture uses; and the work: the
        number of predictions, of which those in training count three times.
    """
    seeds = [seed for seed, _ in runs]
    each = [task.weights(seed) for seed in seeds]
    weights = {name: torch.stack([of[name] for of in each]) for name in each[0]}
    names = [task.used(genotype) for _, genotype in runs]
    used = used_by(names, weights)
    lanes = [(run, genotype) for run, (_, genotype) in enumerate(runs)]
    children = task.children(weights, lanes)
    dropout = [generator(seed, "standalone", "dropout", device=task.device) for seed in seeds]
    work, losses = 0, []
    stream = itertools.islice(task.batches(0, seeds), batches)
    for number, (inputs, targets) in enumerate(stream):
        loss, gradients = children.gradients(inputs, targets, dropout)
        clip_(gradients, gradient_norm)
        rate = learning_rate * min(1.0, 2 * (1 - number / batches))
        step_(weights, gradients, used, learning_rate=rate, weight_decay=weight_decay)
        losses.append(loss)
        work += 3 * targets[0].numel()
        if (number + 1) % -(-batches // 10) == 0:
            report(alone=len(runs), batch=number + 1, batches=batches, nats=float(loss.mean()))
    worst = torch.stack(losses).nan_to_num(math.inf).amax(0).tolist()
    children = task.children(weights, lanes)
    rows = []
    for run, (select, test) in enumerate(
        zip(children.scores("select"), children.scores("test"), strict=True)
    ):
        limit = explosion * task.guessing
        diverged = not all(nats <= limit for nats in (worst[run], select.nats, test.nats))
        rows.append(
            {
                "genotype": str(runs[run][1]),
                "seed": seeds[run],
                "select": math.inf if diverged else select.nats,
                "test": math.inf if diverged else test.nats,
                "test_error": math.inf if diverged else test.error,
                "diverged": diverged,
                "batches": batches,
                "parameters": sum(weights[name][run].numel() for name in names[run]),
                "work": work + task.predictions("select"),
            }
        )
    return rows
