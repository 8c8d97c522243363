"""All settings of params.yaml, checked before the first job; declared next to their use."""

import difflib
import json
import re
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from annotated_types import MinLen
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails
from snakemake.exceptions import WorkflowError

from wpl_lab.arm_choice import BASELINE, chosen
from wpl_lab.arms import ARMS
from wpl_lab.constraints import Count, Seed
from wpl_lab.data.data_settings import ImageData, TextData
from wpl_lab.search.plan import Search
from wpl_lab.two_models.model_settings import (
    Anchor,
    Compare,
    Floor,
    Omega,
    Si,
    Split,
    Tradeoff,
)
from wpl_lab.two_models.training_settings import First, Fisher, Second


@dataclass(frozen=True, kw_only=True)
class Params:
    """All settings, section by section, in the order of params.yaml."""

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    seeds: Annotated[tuple[Seed, ...], MinLen(1)]
    """Root seeds, one run of every model each; all randomness derives from them."""
    seeds_per_job: Count
    """Seeds of the two models that one job trains side by side; those added at the end of seeds
    leave full jobs alone."""
    data: ImageData
    """Images that the two models learn."""
    width: Count
    """Units of each hidden layer, in both models, as they share layers."""
    first: First
    fisher: Fisher
    second: Second
    compare: Compare
    wpl: Anchor
    """The weight plasticity loss."""
    l2: Anchor
    """A uniform anchor, whose importance has the same mean as the Fisher information."""
    floor: Floor
    omega: Omega
    si: Si
    mas: Anchor
    """Memory aware synapses; its importance is scaled to the mean of the Fisher information."""
    split: Split
    tradeoff: Tradeoff
    images: ImageData
    """Images for the search of convolutional cells; half of the validation part is for rewards, the
    other half for scores."""
    text: TextData
    """Text for the search of recurrent cells."""
    search: Search

    def __post_init__(self) -> None:
        """Check sections against each other.

        Raises:
            ValueError: If they contradict each other; names the key.
        """
        most = min(self.first.depth, self.second.depth) - 1
        if max(self.compare.shared) > most:
            raise ValueError(
                f"compare.shared: models of {self.first.depth} and {self.second.depth} layers can "
                f"share at most {most}; got {max(self.compare.shared)}"
            )
        arms = {*self.compare.arms, *self.compare.remedies, *self.split.arms}
        if not arms - {BASELINE}:
            raise ValueError(
                f"compare.arms: {BASELINE!r} is what others are compared with; expected another "
                "arm here, in compare.remedies or in split.arms"
            )
        if self.compare.headline not in self.compare.shared:
            raise ValueError(
                f"compare.headline: {self.compare.headline} is not one of compare.shared, "
                f"{[*self.compare.shared]}"
            )
        large = self.data.source not in ("digits", "folder") and self.data.size is None
        matrices = [
            arm
            for arm in chosen(self.compare.remedies, "headline")
            if "omega" in ARMS[arm].estimates
        ]
        if matrices and large:
            raise ValueError(
                f"compare.remedies: the matrices of {matrices[0]} are for small images; leave it "
                f"out with data.source {self.data.source}"
            )


_SCHEMA = TypeAdapter(Params)


def validate(config: Mapping[str, Any]) -> dict[str, Any]:
    """Check a configuration.

    Returns:
        The configuration in canonical form: order of keys, 3 as 3.0.

    Raises:
        WorkflowError: If there are errors; one line for each, naming its key.
    """
    config = _numbers(config)
    faults = [f"{key}: duplicate value {value!r}" for key, value in _duplicates(config)]
    try:
        params = _SCHEMA.validate_json(json.dumps(config, default=str))
    except ValidationError as error:
        faults += [_line(e) for e in error.errors() if not _follows(e)]
    if faults:
        raise WorkflowError(*(f"params: {fault}" for fault in faults))
    canonical: dict[str, Any] = _SCHEMA.dump_python(params, mode="json")
    return canonical


def _numbers(value: Any) -> Any:
    """Convert 1e-07, as DVC writes it, to a number; for Snakemake's YAML reader it is text."""
    if isinstance(value, Mapping):
        return {key: _numbers(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_numbers(inner) for inner in value]
    is_number = isinstance(value, str) and re.fullmatch(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+", value)
    return float(value) if is_number else value


def _duplicates(value: Any, *keys: str) -> Iterator[tuple[str, Any]]:
    """Find duplicates in lists, which would make a result twice."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _duplicates(inner, *keys, str(key))
    elif isinstance(value, list):
        seen = [item for i, item in enumerate(value) if item in value[:i]]
        yield from ((".".join(keys), item) for item in seen[:1])


def _follows(error: ErrorDetails) -> bool:
    """Tell whether an error is a consequence of others: a list too short without its bad values."""
    return error["type"] == "too_short" and bool(error["input"])


def _line(error: ErrorDetails) -> str:
    where = ".".join(map(str, error["loc"]))
    if error["type"] == "unexpected_keyword_argument":
        return f"unknown key {where!r}{_suggestion(error['loc'])}"
    if error["type"] == "missing":
        return f"missing key {where!r}"
    message = _MESSAGES.get(error["type"], error["msg"]).format_map(error.get("ctx", {}))
    if error["type"] == "value_error":
        return ".".join(filter(None, (where, message)))
    return f"{where}: {message}; got {error['input']!r}"


# Replacements for pydantic's messages that name Python's types.
_MESSAGES = {
    "dataclass_type": "Input should be keys with values",
    "tuple_type": "Input should be a list",
    "too_short": "List should have at least {min_length} item",
    "value_error": "{error}",
}


def _suggestion(location: tuple[int | str, ...]) -> str:
    section: Any = Params
    for key in location[:-1]:
        section = typing.get_type_hints(section)[str(key)]
    near = difflib.get_close_matches(str(location[-1]), typing.get_type_hints(section), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
