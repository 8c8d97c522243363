"""Selection of a model's parameters, and the names under which results are returned."""

from collections.abc import Iterable

from torch import Tensor, nn

from wpl.fisher.preparation import parameters_of


def select(
    model: nn.Module, parameters: Iterable[str] | None
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Look up parameters; one with several names is used once.

    Args:
        model: The model.
        parameters: Names of the parameters, of any shapes; by default, all that require a gradient.

    Returns:
        The parameters, each by one name; and for each name asked for, that name.

    Raises:
        ValueError: If the model is no module, if a name is unknown, or if none is given.
    """
    if not isinstance(model, nn.Module):
        raise ValueError(f"the model is a {type(model).__name__}; expected a torch.nn.Module")
    known = parameters_of(model)
    if parameters is None:
        once = {id(p): name for name, p in reversed(known.items())}
        names = [name for name, p in known.items() if p.requires_grad and once[id(p)] == name]
    else:
        names = list(parameters)
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(f"the model has no parameter {unknown[0]!r}; it has {', '.join(known)}")
    if not names:
        raise ValueError("no parameters to estimate the Fisher information of")
    first = {id(known[name]): name for name in reversed(names)}
    used = {name: first[id(known[name])] for name in names}
    return {name: known[name] for name in dict.fromkeys(used.values())}, used
