"""Arguments and lists of the searches: from parameters to arms and seeds."""

from wpl_lab.search.spaces.convolutional import ConvolutionalSpace
from wpl_lab.search.spaces.recurrent import RecurrentSpace

# The settings of a space besides the arms that search it.
SPACES = {
    "text": ["nodes"],
    "images": ["nodes", "alike", "operations"],
    "nasbench201": ["operations"],
}
# The tables of the evaluation besides the verdicts.
JUDGED = [
    *("runs", "arms", "diverged", "forgetting", "later", "mean_forgetting"),
    *("truth", "yardsticks", "ranking", "mean_ranking", "found", "retrained", "policy"),
]
# The sections of the strategies that learn.
STRATEGIES = {"enas": "policy", "nao": "population"}
DROPOUT = "dropout"


def data(wc):
    """The file of a task's data."""
    return rules.prepare_text.output.text if wc.task == "text" else images("images")


def spaces(task):
    """The spaces that are searched; the small one again at each dropout probability."""
    return ["small", "full", *judged(task)[1:]]


def judged(task):
    """The spaces whose truth is known."""
    return ["small", *(f"{DROPOUT}{rate}" for rate in SEARCH[task]["dropout"]["rates"])]


def methods(task, space):
    """The arms that search a space, by method; with the strengths of a sweep, as arm@strength."""
    if space.startswith(DROPOUT):
        return {"nao": chosen(SEARCH[task]["dropout"]["arms"], "nao")}
    given = SEARCH[task][space]
    if space == "full":
        return {m: chosen(given[m], "full") for m in METHOD_NAMES}
    arms = {m: chosen(given[m], m) for m in METHOD_NAMES}
    sweep = SEARCH[task]["sweep"].items()
    arms["uniform"] += [f"{arm}@{x}" for arm, strengths in sweep for x in strengths]
    return arms


def arm_and_strength(arm):
    """An arm of the table, and its strength in a sweep; None at its own."""
    name, _, strength = arm.partition("@")
    return ARMS[name], float(strength) if strength else None


def model(task, space, arm=None):
    """The arguments of a task; paths are dropped in one arm only."""
    own = SEARCH[task][space if space == "full" else "small"]
    made = {**SEARCH[task]["model"], **{key: own[key] for key in SPACES[task]}}
    if space.startswith(DROPOUT):
        made["dropout"] = float(space.removeprefix(DROPOUT))
    drops = arm is not None and arm_and_strength(arm)[0].drops_paths
    return made if drops else {**made, "drop_path": 0.0}


def training(task, arm):
    """How an arm trains the shared weights."""
    entry, strength = arm_and_strength(arm)
    remedies = SEARCH[task]["remedies"]
    changed = {}
    if entry.slows:
        changed["slow"] = remedies["slow"] if strength is None else strength
        changed["slow_from"] = SEARCH[task]["plasticity"]["warmup"]
    if entry.replays:
        changed["replay"] = remedies["replay"]
    if entry.trains_together:
        changed["together"] = remedies["together"]
    return SEARCH[task]["training"] | changed


def plasticity(task, arm):
    """How an arm protects earlier children, if it does."""
    entry, strength = arm_and_strength(arm)
    if entry.importance is None:
        return None
    settings = dict(SEARCH[task]["plasticity"])
    if strength is not None:
        settings["alpha"] = strength
    if not entry.alpha_decays:
        settings["decay_from"] = None
    if entry.adds_gradient:
        settings["largest_pull"] = SEARCH[task]["remedies"]["largest_pull"]
    return settings


def chunks(task, space, method, arm):
    """The root seeds of an arm, by the first of those that one job runs."""
    most = space == "small" and method != "nao"
    seeds = SEARCH[task]["seeds" if most else "other_seeds"]
    return in_chunks(seeds, SEARCH[task]["seeds_per_job"])


def chunk(wc):
    """The root seeds of one job."""
    return chunks(wc.task, wc.space, wc.method, wc.arm)[int(wc.first)]


def of_arm(pattern, task, space, method, arm):
    """The files of all searches of an arm."""
    found = {"task": task, "space": space, "method": method, "arm": arm}
    return expand(pattern, first=chunks(**found), **found)


def runs(pattern, task, spaces):
    """The files of all searches of some spaces."""
    return [
        file
        for space in spaces
        for method, arms in methods(task, space).items()
        for arm in arms
        for file in of_arm(pattern, task, space, method, arm)
    ]


def retrained(pattern, task):
    """The files of the architectures found in the full space, trained alone."""
    return [
        file
        for method, arms in methods(task, "full").items()
        for file in expand(pattern, task=task, method=method, arm=arms)
    ]


def figures(task):
    """The figures of a task; a reward is that of a controller, as ENAS has one."""
    learns = any(methods(task, space).get("enas") for space in ("small", "full"))
    return [name for name in SEARCH_FIGURES if name != "reward" or learns]


def searched(task):
    """All results of the searches of a task, with their evaluation and figures."""
    return [
        [runs(output, task, spaces(task)) for output in rules.search_cells.output],
        alone(rules.train_standalone.output, task),
        retrained(rules.retrain_found.output, task),
        random_cells(rules.retrain_random.output, task),
        expand(rules.evaluate_search.output, task=task),
        expand(rules.plot_search.output, task=task, figure=figures(task)),
    ]


def random_cells(pattern, task):
    """The file of random architectures of the full space, if that is searched."""
    return expand(pattern, task=task) if any(methods(task, "full").values()) else []


def standalone(task, batches):
    """How an architecture is trained alone, for a number of batches or that of a setting."""
    alone, training = SEARCH[task]["standalone"], SEARCH[task]["training"]
    shared = {k: training[k] for k in ("gradient_norm", "weight_decay", "explosion")}
    length = alone.get(batches, batches)
    return {"batches": length, "learning_rate": alone["learning_rate"]} | shared


def lengths(task):
    """Numbers of batches of stand-alone training: ground truth, longer, and for random search.

    Random search trains each architecture for as long as a search trains in one epoch, so that its
    budget does not depend on how long the truth is trained for.
    """
    truth, training = SEARCH[task]["standalone"]["batches"], SEARCH[task]["training"]
    short = training["children"] * training["batches"]
    return {"truth": truth, "longer": 2 * truth, "short": short}


def alone_seeds(task, batches):
    """The root seeds of stand-alone training; one is enough to check that the order is stable."""
    seeds, own = SEARCH[task]["standalone"]["seeds"], lengths(task)
    return seeds[:1] if batches == own["longer"] != own["short"] else seeds


def alone(pattern, task):
    """The files of the architectures of the small space, trained alone."""
    return expand(
        pattern, task=task, batches={*lengths(task).values()}, first=cells(task)
    )


def own_strengths(task):
    """The strengths in params.yaml of the arms of a sweep."""
    alpha, slow = SEARCH[task]["plasticity"]["alpha"], SEARCH[task]["remedies"]["slow"]
    return {arm: slow if ARMS[arm].slows else alpha for arm in SEARCH[task]["sweep"]}


def cells(task):
    """The first architecture of each job that trains the small space alone."""
    made = {key: SEARCH[task]["small"][key] for key in SPACES[task]}
    space = RecurrentSpace if task == "text" else ConvolutionalSpace
    return range(0, space(**made).size, SEARCH[task]["standalone"]["cells_per_job"])
