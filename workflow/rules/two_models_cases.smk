"""Arguments and lists of the two models: from parameters to arms, strengths and files."""


def strengths(arm, alpha, alphas):
    """The strengths of an arm: its own α, and those of a trade-off."""
    entry = ARMS[arm]
    if entry.importance is None:
        return {"alpha": 0.0, "alphas": [0.0]}
    numbers = {name: config[entry.section][name] for name in entry.numbers}
    return {"alpha": alpha, "alphas": sorted({alpha, *alphas}), "numbers": numbers}


def of_two_models(arm, shared):
    """The strengths for two models: those of the trade-off only at the headline number of layers."""
    alpha = config[ARMS[arm].section]["alpha"] if ARMS[arm].section else 0.0
    return strengths(
        arm, alpha, config["tradeoff"]["alphas"] if shared == HEADLINE else []
    )


def of_second(pattern):
    """The files of all second models."""
    return [
        file
        for shared, arm in SECOND
        for file in expand(pattern, shared=shared, arm=arm, first=SEEDS)
    ]


def of_split(pattern):
    """The files of the networks trained on one half of the classes after the other, if any are."""
    return expand(pattern, first=SEEDS if config["split"]["arms"] else [])


def estimates(arm, first):
    """The files of the estimates for an arm's anchor, by estimate, for the seeds of a job."""
    made = {
        **rules.estimate_importance.output,
        "fisher": rules.estimate_fisher.output.fisher,
        "fall": rules.train_first.output.fall,
        "moved": rules.train_first.output.moved,
    }
    return {
        estimate: expand(made[estimate], first=first)[0]
        for estimate in ARMS[arm].estimates
    }
