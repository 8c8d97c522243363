"""Labels of the entries of the report."""

FIGURES = {
    "forgetting": "Figure: A while B trains, by number of shared layers",
    "convergence": "Figure: A and B while B trains, A converged or stopped early",
    "tradeoff": "Figure: what A loses against what B pays, over α",
    "errors": "Figure: err1 against err2, a dot for each search",
    "search_forgetting": "Figure: forgetting by epoch and by children trained later",
    "reward": "Figure: reward and entropy of the controller",
    "ranking": "Figure: ranking by shared weights against the truth",
    "found": "Figure: what the searches found against random search",
    "cells": "Figure: cells that were found",
    "budget": "Figure: agreement of shared-weight scores with the published ground truth, by epoch",
    "transfer": "Figure: found architectures on each data set, and random search",
}


def figure(wildcards: object) -> dict[str, str]:
    """Make the label of a figure."""
    name = wildcards.figure  # type: ignore[attr-defined]
    return label(FIGURES.get(name, f"Figure: {name}"))


def label(shown: str) -> dict[str, str]:
    """Make a label; all entries of a category share its one column."""
    return {"shown": shown}
