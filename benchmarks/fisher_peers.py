"""The empirical Fisher information with several libraries: mean squared gradients, by name."""

import copy
import warnings

import torch
import torch.nn.functional as F
from torch.func import functional_call, grad, vmap

from wpl import diagonal_fisher, gradient_and_fisher


def loss_sum(logits, y):
    return F.cross_entropy(logits.flatten(0, -2), y.flatten(), reduction="sum")


def plain(model, x, y):
    """Return one plain forward and backward pass, the unit of all times."""

    def run():
        model.zero_grad()
        loss_sum(model(x), y).backward()

    return run


def ours(model, x, y):
    return lambda: diagonal_fisher(model, [(x, y)])


def ours_with_gradient(model, x, y):
    return lambda: gradient_and_fisher(model, x, y).fisher


def loop(model, x, y):
    parameters = dict(model.named_parameters())

    def run():
        total = {name: torch.zeros_like(p) for name, p in parameters.items()}
        for n in range(len(x)):
            loss = loss_sum(model(x[n : n + 1]), y[n : n + 1])
            gradients = torch.autograd.grad(loss, list(parameters.values()))
            for t, g in zip(total.values(), gradients, strict=True):
                t.addcmul_(g, g, value=1 / len(x))
        return total

    return run


def torch_func(model, x, y):
    parameters = {name: p.detach() for name, p in model.named_parameters()}

    def of_sample(some, x, y):
        return loss_sum(functional_call(model, some, (x[None],)), y[None])

    def run():
        gradients = vmap(grad(of_sample), in_dims=(None, 0, 0))(parameters, x, y)
        return {name: g.square().mean(0) for name, g in gradients.items()}

    return run


def backpack(model, x, y):
    from backpack import backpack as context
    from backpack import extend
    from backpack.extensions import SumGradSquared

    model = extend(copy.deepcopy(model), use_converter=_needs_converter(model))
    criterion = extend(torch.nn.CrossEntropyLoss(reduction="sum"))

    def run():
        model.zero_grad()
        with context(SumGradSquared()):
            logits = model(x)
            criterion(logits.flatten(0, -2) if logits.ndim > 2 else logits, y.flatten()).backward()
        return {name: p.sum_grad_squared / len(x) for name, p in model.named_parameters()}

    return run


def _needs_converter(model):
    return not isinstance(model, torch.nn.Sequential)


def opacus(model, x, y):
    from opacus import GradSampleModule
    from opacus.validators import ModuleValidator

    model = ModuleValidator.fix(copy.deepcopy(model)) if _has_lstm(model) else copy.deepcopy(model)
    if _has_lstm(model):
        model.decoder.weight = model.embedding.weight
    wrapped = GradSampleModule(model.train(), loss_reduction="sum", strict=False)
    for module in wrapped.modules():  # gradients are recorded in train mode only
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.eval()

    def run():
        wrapped.zero_grad()
        loss_sum(wrapped(x), y).backward()
        return {
            name: p.grad_sample.square().mean(0) for name, p in wrapped._module.named_parameters()
        }

    return run


def _has_lstm(model):
    return any("LSTM" in type(m).__name__ for m in model.modules())


def nngeometry(model, x, y):
    from nngeometry.backend import TorchHooksJacobianBackend
    from nngeometry.layercollection import LayerCollection
    from nngeometry.object.pspace import PMatDiag

    def log_likelihood(inputs, targets):
        each = F.log_softmax(model(inputs), -1).gather(-1, targets[..., None])
        return each.flatten(1).sum(1, keepdim=True)

    layers = LayerCollection.from_model(model)
    data = torch.utils.data.TensorDataset(x, y)
    loader = torch.utils.data.DataLoader(data, batch_size=len(x))

    def run():
        generator = TorchHooksJacobianBackend(
            layer_collection=layers, model=model, function=log_likelihood
        )
        metric = PMatDiag(generator=generator, examples=loader)
        flat, found, start = metric.get_diag(), {}, 0
        for name, p in model.named_parameters():
            found[name] = flat[start : start + p.numel()].view_as(p)
            start += p.numel()
        return found

    return run


METHODS = {
    "wpl": ours,
    "wpl, with gradient": ours_with_gradient,
    "BackPACK": backpack,
    "Opacus": opacus,
    "nngeometry": nngeometry,
    "torch.func": torch_func,
    "loop": loop,
}


LIMIT = 1.5e9  # bytes


def prepare(name, model, x, y):
    """Prepare a method and try it; return a function and its result, or None and the reason."""
    size = 4 * len(x) * sum(p.numel() for p in model.parameters())
    if name in {"Opacus", "torch.func"} and size > LIMIT:
        return None, f"skipped: keeps {size / 1e9:.0f} GB of gradients"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            run = METHODS[name](model, x, y)
            return run, run()
        except ImportError as error:
            return None, f"not installed ({error.name})"
        except Exception as error:
            return None, f"fails: {type(error).__name__}: {str(error).splitlines()[0][:80]}"
