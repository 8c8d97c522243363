"""What methods and arms are called, in files and in figures."""

from typing import Literal

TaskName = Literal["text", "images"]
Method = Literal["enas", "uniform", "nao"]
"""How children are chosen: by a controller that learns, evenly, or by improving known ones."""

SearchArm = Literal["none", "wpl", "wpl_decay", "l2", "drop_path"]

ARM_NAMES: dict[SearchArm, str] = {
    "none": "no remedy",
    "wpl": "WPL",
    "wpl_decay": "WPL, α decaying",
    "l2": "L2 to the anchor",
    "drop_path": "drop-path",
}
METHOD_NAMES: dict[Method, str] = {"enas": "ENAS", "uniform": "uniform sampling", "nao": "NAO"}
ERROR_NAMES: dict[TaskName, str] = {"text": "perplexity", "images": "error, %"}
"""How the tasks measure errors, beside nats."""
POINT_NAMES: dict[TaskName, str] = {"text": "points of perplexity", "images": "points of error"}
MODULES: dict[TaskName, str] = {
    "text": "wpl_lab.search.spaces.text_task",
    "images": "wpl_lab.search.spaces.image_task",
}
"""The module of each task. A job imports that of its own task only, and so depends on it only."""
ANCHORED: tuple[SearchArm, ...] = ("wpl", "wpl_decay", "l2")
"""The arms that protect earlier children; ``drop_path`` changes how children are trained."""


def space_name(space: str) -> str:
    """Name a space: ``small``, ``full``, or the small one at a probability of dropout."""
    rate = space.removeprefix("dropout")
    return f"{space} space" if rate == space else f"small space, dropout {rate}"
