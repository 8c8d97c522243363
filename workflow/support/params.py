"""What params.yaml may hold: every key, its type and its range, checked before the first job."""

import contextlib
import difflib
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator
from pydantic_core import ErrorDetails
from snakemake.exceptions import WorkflowError

from support.search_params import Search
from support.section import Count, NonNegative, Positive, Section, Seed, Share
from wpl_lab.two_models.arms import ArmEverywhere, ArmOfSplit, Remedy


class Data(Section):
    source: Literal["digits", "mnist", "fashion_mnist", "cifar10", "folder"]
    root: str
    size: Count | None
    limit: Count | None
    valid_share: Share
    test_share: Share
    seed: Seed


class Training(Section):
    depth: Annotated[int, Field(ge=2)]
    iterations: Count
    batch_size: Count
    learning_rate: Annotated[float, Field(gt=0, le=10)]
    weight_decay: NonNegative


class First(Training):
    stops: list[Share]
    check_every: Count


class Second(Training):
    record_every: Count


class Fisher(Section):
    kind: Literal["empirical", "mc", "exact", "sketch"]
    samples: Count


class Compare(Section):
    shared: Annotated[list[Count], Field(min_length=1)]
    arms: Annotated[list[ArmEverywhere], Field(min_length=1)]
    remedies: list[Remedy]
    headline: Count


class Anchor(Section):
    alpha: NonNegative


class Floor(Anchor):
    floor: NonNegative


class Omega(Anchor):
    curvature: Literal["hessian", "ggn"]
    damping: NonNegative


class Si(Anchor):
    damping: Positive


class Split(Anchor):
    arms: list[ArmOfSplit]
    alphas: list[Positive]


class Tradeoff(Section):
    alphas: Annotated[list[Positive], Field(min_length=1)]
    remedies: list[Positive]


class Text(Section):
    source: Literal["manual", "ptb", "folder"]
    root: str
    vocabulary: Annotated[int, Field(ge=2)]
    valid_share: Share
    test_share: Share
    seed: Seed

    @model_validator(mode="after")
    def leaves_something_to_train_on(self) -> "Text":
        held_out = self.valid_share + self.test_share
        if held_out >= 1:
            raise ValueError(
                f"valid_share: with test_share {held_out:g} of the text; it must be less than 1"
            )
        return self


class Params(Section):
    seeds: Annotated[list[Seed], Field(min_length=1)]
    data: Data
    width: Count
    first: First
    fisher: Fisher
    second: Second
    compare: Compare
    wpl: Anchor
    l2: Anchor
    floor: Floor
    omega: Omega
    si: Si
    mas: Anchor
    split: Split
    tradeoff: Tradeoff
    images: Data
    text: Text
    search: Search

    @model_validator(mode="after")
    def fits(self) -> "Params":
        most = min(self.first.depth, self.second.depth) - 1
        if max(self.compare.shared) > most:
            raise ValueError(
                f"compare.shared: models of {self.first.depth} and {self.second.depth} layers can "
                f"share at most {most}; got {max(self.compare.shared)}"
            )
        if self.compare.headline not in self.compare.shared:
            raise ValueError(
                f"compare.headline: {self.compare.headline} is not one of compare.shared, "
                f"{self.compare.shared}"
            )
        missing = {"none", "wpl", "l2"} - set(self.compare.arms)
        if missing:
            raise ValueError(f"compare.arms: {min(missing)!r} must be one of the arms")
        large = self.data.source not in ("digits", "folder") and self.data.size is None
        if "omega" in self.compare.remedies and large:
            raise ValueError(
                "compare.remedies: the matrices of omega are for small images; leave it out with "
                f"data.source {self.data.source}"
            )
        missing = {"none", "ewc"} - set(self.split.arms)
        if missing:
            raise ValueError(f"split.arms: {min(missing)!r} must be one of the arms")
        if self.first.check_every > self.first.iterations:
            raise ValueError(
                f"first.check_every: {self.first.check_every} is more than first.iterations, "
                f"{self.first.iterations}"
            )
        return self


def validate(config: Mapping[str, Any]) -> dict[str, Any]:
    """Check a configuration.

    Returns:
        It in one canonical form: order of keys, 3 as 3.0.

    Raises:
        WorkflowError: If something is wrong; one line for each fault, naming its key.
    """
    try:
        return Params.model_validate(config).model_dump()
    except ValidationError as error:
        raise WorkflowError(*(f"params: {_line(e)}" for e in error.errors())) from None


def _line(error: ErrorDetails) -> str:
    where = ".".join(map(str, error["loc"]))
    if error["type"] == "extra_forbidden":
        return f"unknown key {where!r}{_suggestion(error['loc'])}"
    if error["type"] == "missing":
        return f"missing key {where!r}"
    message = error["msg"].removeprefix("Value error, ")
    if not where or error["type"] == "value_error":
        return ".".join(filter(None, (where, message)))
    return f"{where}: {message}; got {error['input']!r}{_hint(error)}"


def _hint(error: ErrorDetails) -> str:
    """Explain what YAML does to 1e3: for a number it wants a dot and the sign of the exponent."""
    if error["type"] == "float_type" and isinstance(error["input"], str):
        with contextlib.suppress(ValueError):
            return f", which is text in YAML; write {float(error['input'])}"
    return ""


def _suggestion(location: tuple[int | str, ...]) -> str:
    section: Any = Params
    for key in location[:-1]:
        section = section.model_fields[key].annotation
    near = difflib.get_close_matches(str(location[-1]), section.model_fields, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
