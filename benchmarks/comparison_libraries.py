"""The diagonal empirical Fisher information with each library, used as its documentation says.

For each library, a function takes an ``Input`` and returns a function that computes F, by name of
the parameter: the mean over samples of the squared gradient of −log p.
"""

import copy
import re

import torch
from comparison_inputs import Input, rows, size
from torch import nn
from torch.func import functional_call, grad, vmap
from torch.utils.data import DataLoader, TensorDataset

from wpl import diagonal_fisher

MATVECS = 30


def wanted(model):
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def plain(given):
    """Return one plain forward and backward pass, the unit of all costs."""

    def run():
        given.model.zero_grad()
        given.loss(given.model, given.batch).backward()

    return run


def wpl(given):
    return lambda: diagonal_fisher(given.model, [given.batch], **given.settings)


def loop(given, copies=1):
    """Square the gradient of each sample.

    The reference uses two copies of a sample, because torch 2.15 computes wrong gradients of batch
    norm for a batch of one.
    """
    parameters = wanted(given.model)

    def run():
        n = size(given.batch)
        total = {name: torch.zeros_like(p) for name, p in parameters.items()}
        for k in range(n):
            loss = given.loss(given.model, rows(given.batch, [k] * copies)) / copies
            found = torch.autograd.grad(loss, list(parameters.values()))
            for t, g in zip(total.values(), found, strict=True):
                t.addcmul_(g, g, value=1 / n)
        return total

    return run


def torch_func(given):
    parameters = wanted(given.model)

    def of_sample(some, sample):
        batch = rows(sample, None)  # a batch of one
        return given.loss(lambda *a, **b: functional_call(given.model, some, a, b), batch)

    def run():
        found = vmap(grad(of_sample), in_dims=(None, 0))(parameters, given.batch)
        return {name: g.square().mean(0) for name, g in found.items()}

    return run


class InForm(nn.Module):
    """A model with one argument, and outputs in the layout that a criterion takes."""

    def __init__(self, given):
        super().__init__()
        self.model, self._given = given.model, given

    def forward(self, x):
        given = self._given
        if isinstance(x, torch.Tensor):
            result = self.model(x)
        elif isinstance(given.batch, dict):
            result = self.model(**given.arguments(x)[1])
        else:
            result = self.model(*(x[key] for key in x if key != "labels"))
        return given.outputs(result).contiguous()


def in_form(given):
    """Return module, inputs and targets: the model, wrapped in ``InForm`` where necessary."""
    y, batch = given.targets(given.batch), given.batch
    if isinstance(batch, tuple) and len(batch) == 2:
        ready = given.outputs(result := given.model(batch[0])) is result
        return (given.model if ready else InForm(given)), batch[0], y
    x = batch if isinstance(batch, dict) else {f"x{k}": part for k, part in enumerate(batch[:-1])}
    x = {name: part for name, part in x.items() if name != "labels"}
    return InForm(given), (x if len(x) > 1 else next(iter(x.values()))), y


def by_name(module, flat):
    """Split a vector into tensors with the shapes of a module's parameters."""
    parameters = {name.removeprefix("model."): p for name, p in wanted(module).items()}
    parts = flat.split([p.numel() for p in parameters.values()])
    return {n: f.view_as(p) for (n, p), f in zip(parameters.items(), parts, strict=True)}


def factor(given):
    """Return the factor that turns squared gradients into F: a MSELoss is 2 · −log p."""
    return 0.25 if isinstance(given.criterion, nn.MSELoss) else 1.0


def samples_of(x, y):
    """Return a data set of pairs, or of dictionaries with labels."""
    if isinstance(x, dict):
        return [{**rows(x, k), "labels": y[k]} for k in range(len(y))]
    return TensorDataset(x, y)


LIKELIHOODS = {
    nn.CrossEntropyLoss: "classification",
    nn.MSELoss: "regression",
    nn.BCEWithLogitsLoss: "multi-label classification",
}


def laplace(given):
    from laplace import Laplace
    from laplace.curvature import AsdlEF, CurvlinopsEF

    module, x, y = in_form(given)
    loader = DataLoader(samples_of(x, y), batch_size=len(y))
    plain_loss = type(given.criterion) in LIKELIHOODS and "loss" not in given.settings
    likelihood = LIKELIHOODS[type(given.criterion)] if plain_loss else "a loss of one's own"
    backend = AsdlEF if isinstance(x, dict) else CurvlinopsEF  # as its error message says

    def run():
        found = Laplace(
            module,
            likelihood,
            subset_of_weights="all",
            hessian_structure="diag",
            backend=backend,
        )
        found.fit(loader)
        return by_name(module, found.H / len(y))

    return run


def curvlinops(given):
    from curvlinops import EFLinearOperator, hutchinson_diag

    module, x, y = in_form(given)
    parameters = list(wanted(module).values())
    counts = {"batch_size_fn": lambda _: len(y)} if isinstance(x, dict) else {}

    def run():
        matrix = EFLinearOperator(
            module, given.criterion, parameters, [(x, y)], check_deterministic=False, **counts
        )
        return by_name(module, factor(given) * hutchinson_diag(matrix, MATVECS) / len(y))

    return run


def opacus(given):
    from opacus import GradSampleModule
    from opacus.validators import ModuleValidator

    model = given.model
    if any(isinstance(m, nn.LSTM | nn.MultiheadAttention) for m in model.modules()):
        model = ModuleValidator.fix(model)  # replaces them by layers of Opacus
        if hasattr(model, "decoder"):
            model.decoder.weight = model.embedding.weight  # tied again
    wrapped = GradSampleModule(model.train(), loss_reduction="sum", strict=False)
    for module in wrapped.modules():  # gradients are recorded in train mode only
        if isinstance(module, nn.modules.batchnorm._BatchNorm | nn.Dropout):
            module.eval()

    def run():
        wrapped.zero_grad()
        given.loss(wrapped, given.batch).backward()
        found = {}
        for name, p in wanted(wrapped._module).items():
            if p.grad_sample is None:
                raise NotImplementedError(f"no gradient of each sample of {name}")
            found[_as_torch_calls_it(name)] = p.grad_sample.square().mean(0)
        return found

    return run


def _as_torch_calls_it(name):
    return re.sub(r"\bl(\d)\.(ih|hh)\.(weight|bias)", r"\3_\2_l\1", name)


def backpack(given):
    from backpack import backpack as context
    from backpack import extend
    from backpack.extensions import SumGradSquared

    model = extend(given.model, use_converter=not isinstance(given.model, nn.Sequential))
    criterion = extend(copy.deepcopy(given.criterion))
    ordered, named = given.arguments(given.batch)
    y = given.targets(given.batch)

    def run():
        model.zero_grad()
        with context(SumGradSquared()):
            criterion(given.outputs(model(*ordered, **named)), y).backward()
        found = {name: p.sum_grad_squared for name, p in wanted(model).items()}
        return {name: factor(given) * f / len(y) for name, f in found.items()}

    return run


def nngeometry(given):
    from nngeometry.backend import TorchHooksJacobianBackend
    from nngeometry.layercollection import LayerCollection
    from nngeometry.object.pspace import PMatDiag

    batch = given.batch
    names = list(batch) if isinstance(batch, dict) else None
    data = TensorDataset(*(batch.values() if names else batch))
    loader = DataLoader(data, batch_size=len(data))
    each = copy.deepcopy(given.criterion)
    each.reduction = "none"
    alone = given._replace(criterion=each)
    layers = LayerCollection.from_model(given.model)
    modules, _ = layers.get_layerid_module_maps(given.model)

    def log_likelihood(*parts):
        found = alone.loss(given.model, dict(zip(names, parts, strict=True)) if names else parts)
        return -found.flatten(1).sum(1, keepdim=True) if found.ndim > 1 else -found[:, None]

    def run():
        generator = TorchHooksJacobianBackend(
            layer_collection=layers, model=given.model, function=log_likelihood
        )
        flat = PMatDiag(generator=generator, examples=loader).get_diag()
        known = dict(layers.named_parameters(modules))
        parts = flat.split([p.numel() for p in known.values()])
        return {n: f.view_as(p) for (n, p), f in zip(known.items(), parts, strict=True)}

    return run


def avalanche(given, batch_size=None):
    from avalanche.training.plugins import EWCPlugin

    module, x, y = in_form(given)
    data = [(rows(x, k) if isinstance(x, dict) else x[k], y[k], 0) for k in range(len(y))]
    criterion = copy.deepcopy(given.criterion)
    if batch_size is None:
        criterion.reduction = "mean"  # as is usual in training
    optimizer = torch.optim.SGD(module.parameters(), 0.1)

    def run():
        found = EWCPlugin(1.0).compute_importances(
            module, criterion, optimizer, data, "cpu", batch_size or len(y)
        )
        module.eval()  # Avalanche leaves it in train mode
        return {n.removeprefix("model."): factor(given) * f.data for n, f in found.items()}

    return run


def avalanche_alone(given):
    return avalanche(given, batch_size=1)


LIBRARIES = {
    "wpl": (wpl, "wpl"),
    "laplace-torch": (laplace, "laplace-torch"),
    "curvlinops": (curvlinops, "curvlinops-for-pytorch"),
    "Opacus": (opacus, "opacus"),
    "BackPACK": (backpack, "backpack-for-pytorch"),
    "nngeometry": (nngeometry, "nngeometry"),
    "Avalanche": (avalanche, "avalanche-lib"),
    "Avalanche, one by one": (avalanche_alone, "avalanche-lib"),
    "torch.func": (torch_func, "torch"),
    "loop": (loop, "torch"),
}
"""By the name in the table: the function that prepares the method, and the package."""

CALLS = {
    "wpl": "`diagonal_fisher(model, [batch])`, with `likelihood=` or `loss=` if the model is not a "
    "classifier",
    "laplace-torch": '`Laplace(model, likelihood, subset_of_weights="all", '
    'hessian_structure="diag", backend=CurvlinopsEF).fit(loader)`, attribute `H`; for dictionaries '
    "`AsdlEF`, as its error message recommends",
    "curvlinops": "`hutchinson_diag(EFLinearOperator(model, criterion, parameters, data), "
    f"{MATVECS})`: an estimate from random vectors, as there is no method for the diagonal itself; "
    "each position of a sequence or of an image counts as a sample",
    "Opacus": "`GradSampleModule(model, strict=False)`, then `p.grad_sample`; LSTM and attention "
    "are replaced by `ModuleValidator.fix`; the model is in train mode, as Opacus records nothing "
    "in eval mode, but its dropout and batch norm layers are in eval mode",
    "BackPACK": "`with backpack(SumGradSquared()): loss.backward()`, model and criterion extended, "
    "with `use_converter=True` if the model is not a `Sequential`",
    "nngeometry": "`PMatDiag(TorchHooksJacobianBackend(model, log_likelihood), loader).get_diag()`",
    "Avalanche": "`EWCPlugin.compute_importances` on the batch, with a mean as criterion",
    "Avalanche, one by one": "the same with batches of one sample",
    "torch.func": "`vmap(grad(loss))`, squared",
    "loop": "`torch.autograd.grad` of one sample at a time, squared",
}


def ready(name: str, given: Input):
    """Prepare a method on a copy of the model."""
    return LIBRARIES[name][0](given._replace(model=copy.deepcopy(given.model)))
