"""What methods and arms are called, in files and in figures."""

from typing import Literal

TaskName = Literal["text", "images", "nasbench201"]
Method = Literal["enas", "uniform", "nao"]
"""How children are chosen: by a controller, uniformly, or by improving known architectures."""

METHOD_NAMES: dict[Method, str] = {"enas": "ENAS", "uniform": "uniform sampling", "nao": "NAO"}
ERROR_NAMES: dict[TaskName, str] = {
    "text": "perplexity",
    "images": "error, %",
    "nasbench201": "error, %",
}
"""The usual error measure of each task, besides nats."""
POINT_NAMES: dict[TaskName, str] = {
    "text": "points of perplexity",
    "images": "points of error",
    "nasbench201": "points of error",
}
MODULES: dict[TaskName, str] = {
    "text": "wpl_lab.search.spaces.text_task",
    "images": "wpl_lab.search.spaces.image_task",
    "nasbench201": "wpl_lab.search.spaces.nasbench201_task",
}
"""The module of each task. A job imports only that of its own task, so that it depends on no
other."""


def space_name(space: str) -> str:
    """Name a space: ``small``, ``full``, or the small one at a probability of dropout."""
    rate = space.removeprefix("dropout")
    return f"{space} space" if rate == space else f"small space, dropout {rate}"
