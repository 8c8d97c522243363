"""Small models and batches of common kinds, for benchmarks/comparison.py; the data is random."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from fisher_cases import Block, LanguageModel
from torch import Tensor, nn

CLASSES, WORDS, TIME, SAMPLES = 10, 300, 24, 32


class Input(NamedTuple):
    """A model, a batch, and the −log p of a sample, as torch computes it.

    Attributes:
        model: In eval mode.
        batch: A dictionary with ``labels``, or a tuple that ends with the targets.
        criterion: Sums −log p over the batch, or 2 · −log p if it is a MSELoss. Its first argument
            has the classes in the second dimension.
        settings: Further arguments of ``wpl.diagonal_fisher``.
        ahead: Whether the outputs at a position predict the label at the next one.
    """

    model: nn.Module
    batch: Any
    criterion: nn.Module
    settings: dict[str, Any] = {}  # noqa: RUF012 - never changed
    ahead: bool = False

    def arguments(self, batch):
        """Return the positional and the keyword arguments of the model, without the targets."""
        if isinstance(batch, dict):
            return (), {name: value for name, value in batch.items() if name != "labels"}
        return batch[:-1], {}

    def targets(self, batch):
        y = batch["labels"] if isinstance(batch, dict) else batch[-1]
        return y[:, 1:] if self.ahead else y

    def outputs(self, result):
        """Return the outputs in the layout of torch's losses, with the classes second."""
        z = result if isinstance(result, Tensor) else result.logits
        z = z[:, :-1] if self.ahead else z
        return z.movedim(-1, 1) if z.ndim == 3 and _has_classes(self.criterion) else z

    def loss(self, model, batch):
        """Compute −log p, summed over the batch."""
        ordered, named = self.arguments(batch)
        found = self.criterion(self.outputs(model(*ordered, **named)), self.targets(batch))
        return found / 2 if isinstance(self.criterion, nn.MSELoss) else found


def rows(batch, some):
    """Return some samples of a batch, as a batch."""
    if isinstance(batch, dict):
        return {name: value[some] for name, value in batch.items()}
    return tuple(part[some] for part in batch)


def size(batch):
    return len(next(iter(batch.values())) if isinstance(batch, dict) else batch[0])


def _has_classes(criterion):
    return isinstance(criterion, nn.CrossEntropyLoss)


def entropy(**how):
    return nn.CrossEntropyLoss(reduction="sum", **how)


def labels(*shape, classes=CLASSES):
    return torch.randint(classes, shape or (SAMPLES,))


def perceptron(outputs=CLASSES):
    layers = [nn.Linear(256, 256), nn.ReLU(), nn.Dropout(0.1), nn.Linear(256, 256), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(256, outputs))


def vectors(width=256):
    return torch.randn(SAMPLES, width)


def images(side=16):
    return torch.randn(SAMPLES, 3, side, side)


def classifier():
    return Input(perceptron(), (vectors(), labels()), entropy())


def some_parameters():
    model = perceptron()
    model[0].requires_grad_(False)
    return Input(model, (vectors(), labels()), entropy())


def used(model, x):
    """Return a model after a forward pass that sets the running statistics of its batch norms."""
    with torch.no_grad():
        model.train()(x)
    return model


def convolutional():
    layers = [nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2)]
    layers += [nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2)]
    model = nn.Sequential(*layers, nn.Flatten(), nn.Linear(512, CLASSES))
    return Input(used(model, images()), (images(), labels()), entropy())


def residual():
    blocks = [Block(3, 16, 1), Block(16, 32, 2)]
    model = nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, CLASSES))
    return Input(used(model, images()), (images(), labels()), entropy())


def tied():
    words = labels(SAMPLES, TIME + 1, classes=WORDS)
    return Input(LanguageModel(WORDS, 64), (words[:, :-1], words[:, 1:]), entropy())


def padded(y):
    """Mask the targets after a random end of each row."""
    ends = torch.randint(TIME // 2, TIME, (len(y), 1))
    return y.masked_fill(torch.arange(y.shape[1]) >= ends, -100)


def tied_padded():
    given = tied()
    x, y = given.batch
    return given._replace(batch=(x, padded(y)))


def gpt2():
    from transformers import GPT2Config, GPT2LMHeadModel

    sizes = {"vocab_size": WORDS, "n_positions": TIME, "n_embd": 64, "n_layer": 2, "n_head": 4}
    drop = dict.fromkeys(("resid_pdrop", "embd_pdrop", "attn_pdrop"), 0.0)
    ends = {"bos_token_id": None, "eos_token_id": None}
    model = GPT2LMHeadModel(GPT2Config(**sizes, **drop, **ends))
    words = labels(SAMPLES // 2, TIME, classes=WORDS)
    batch = {"input_ids": words, "labels": words}
    return Input(model, batch, entropy(), ahead=True)


def gpt2_padded():
    given = gpt2()
    y = padded(given.batch["labels"])
    batch = given.batch | {"labels": y, "attention_mask": (y != -100).long()}
    return given._replace(batch=batch)


def gpt2_lora():
    from peft import LoraConfig, get_peft_model

    given = gpt2()
    settings = LoraConfig(r=4, target_modules=["c_attn"], fan_in_fan_out=True)
    model = get_peft_model(given.model, settings)
    for name, p in model.named_parameters():
        if "lora_B" in name:  # zero at first, and with it the gradient of the other factor
            nn.init.normal_(p, std=0.1)
    return given._replace(model=model)


def encoder():
    layer = nn.TransformerEncoderLayer(64, 4, 128, dropout=0.0, batch_first=True)
    model = nn.Sequential(nn.TransformerEncoder(layer, 1, enable_nested_tensor=False))
    model.append(nn.Flatten()).append(nn.Linear(64 * TIME, CLASSES))
    return Input(model, (torch.randn(SAMPLES, TIME, 64), labels()), entropy())


def regression():
    y = torch.randn(SAMPLES, 4)
    settings = {"likelihood": "gaussian"}
    return Input(perceptron(4), (vectors(), y), nn.MSELoss(reduction="sum"), settings)


def several_labels():
    y = labels(SAMPLES, CLASSES, classes=2).float()
    settings = {"likelihood": "bernoulli"}
    return Input(perceptron(), (vectors(), y), nn.BCEWithLogitsLoss(reduction="sum"), settings)


def segmentation():
    layers = [nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 5, 3, padding=1)]
    y = labels(SAMPLES, 16, 16, classes=5)
    y = y.masked_fill(torch.rand(y.shape) < 0.2, -100)
    return Input(nn.Sequential(*layers), (images(), y), entropy())


def smoothed():
    criterion = entropy(label_smoothing=0.1, weight=torch.rand(CLASSES) + 0.5)
    given = Input(perceptron(), (vectors(), labels()), criterion)
    return given._replace(settings={"loss": lambda z, batch: given.criterion(z, batch[1])})


class Views(nn.Module):
    """One minus the cosine similarity of the two views of a sample; targets are not used."""

    reduction = "sum"

    def forward(self, z, y):
        del y
        each = 1 - F.cosine_similarity(z[:, 0], z[:, 1])
        return each if self.reduction == "none" else getattr(each, self.reduction)()


def views():
    x = torch.randn(SAMPLES, 2, 256)
    settings = {"loss": lambda z, batch: Views()(z, batch[1])}
    return Input(perceptron(16), (x, torch.zeros(SAMPLES)), Views(), settings)


class TwoInputs(nn.Module):
    def __init__(self):
        super().__init__()
        self.left, self.right = nn.Linear(256, 512), nn.Linear(64, 512)
        self.head = nn.Linear(512, CLASSES)

    def forward(self, left, right):
        return self.head(torch.relu(self.left(left) * self.right(right)))


def two_inputs():
    return Input(TwoInputs(), (vectors(), vectors(64), labels()), entropy())


class Softsign(torch.autograd.Function):
    """A typical autograd.Function: without a rule for torch.vmap."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x / (1 + x.abs())

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g / (1 + x.abs()).square()


class OfOnesOwn(nn.Module):
    def forward(self, x):
        return Softsign.apply(x)


def own_function():
    layers = [nn.Linear(256, 256), OfOnesOwn(), nn.Linear(256, CLASSES)]
    return Input(nn.Sequential(*layers), (vectors(), labels()), entropy())


class Recurrent(nn.Module):
    """A recurrent cell written with plain parameters and a loop over time."""

    def __init__(self, width=64):
        super().__init__()
        self.gate = nn.Parameter(torch.randn(width, 2 * width) / width**0.5)
        self.state = nn.Parameter(torch.randn(width, 2 * width) / width**0.5)
        self.bias = nn.Parameter(torch.zeros(2 * width))
        self.head = nn.Linear(width, CLASSES)

    def forward(self, x):
        h = torch.zeros_like(x[:, 0])
        for t in range(x.shape[1]):
            open_, new = (x[:, t] @ self.gate + h @ self.state + self.bias).chunk(2, -1)
            h = h + torch.sigmoid(open_) * (torch.tanh(new) - h)
        return self.head(h)


def own_cell():
    return Input(Recurrent(), (torch.randn(SAMPLES, TIME, 64), labels()), entropy())


def batch_statistics():
    model = nn.Sequential(
        nn.Linear(256, 64), nn.BatchNorm1d(64, track_running_stats=False), nn.Linear(64, CLASSES)
    )
    return Input(model, (vectors(), labels()), entropy())


def one_logit():
    return Input(perceptron(1), (vectors(), torch.zeros(SAMPLES).long()), entropy())


def time_first():
    given = tied()
    given.model.lstm.batch_first = False
    return given


INPUTS: dict[str, Callable[[], Input]] = {
    "perceptron, with dropout": classifier,
    "the same, first layer frozen": some_parameters,
    "convolutions, batch norm": convolutional,
    "residual blocks, batch norm": residual,
    "LSTM language model, tied": tied,
    "the same, padded with −100": tied_padded,
    "GPT-2": gpt2,
    "GPT-2, padded, a dictionary": gpt2_padded,
    "GPT-2, LoRA adapters": gpt2_lora,
    "transformer encoder": encoder,
    "regression": regression,
    "several labels": several_labels,
    "segmentation with −100": segmentation,
    "weighted, smoothed classes": smoothed,
    "a loss of one's own": views,
    "two inputs": two_inputs,
    "an autograd.Function": own_function,
    "a recurrent cell of one's own": own_cell,
}
"""Inputs whose samples have gradients of their own: F is the mean of their squares."""

REFUSE: dict[str, Callable[[], Input]] = {
    "batch norm on the batch's statistics": batch_statistics,
    "one logit as a classifier": one_logit,
    "an LSTM that takes time first": time_first,
}
"""Inputs without such gradients, or with gradients that carry no information: an error is right."""


def build(name: str) -> Input:
    """Make an input; it is the same at each call."""
    torch.manual_seed(0)
    made = (INPUTS | REFUSE)[name]()
    made.model.eval()
    return made
