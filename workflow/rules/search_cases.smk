"""What the searches are told, and which of them run: from parameters to arms and seeds."""

from wpl_lab.search.spaces.convolutional import ConvolutionalSpace
from wpl_lab.search.search_names import ANCHORED
from wpl_lab.search.spaces.recurrent import RecurrentSpace

# What a space is made of, beside the arms that search it.
SPACES = {"text": ["nodes"], "images": ["nodes", "alike", "operations"]}
# The sections of the strategies that learn.
STRATEGIES = {"enas": "policy", "nao": "population"}
DROPOUT = "dropout"


def data(wc):
    """The file of a task's data."""
    return images("images") if wc.task == "images" else rules.prepare_text.output.text


def spaces(task):
    """The spaces that are searched; the small one once more at each probability of dropout."""
    return ["small", "full", *judged(task)[1:]]


def judged(task):
    """The spaces whose truth is known."""
    return ["small", *(f"{DROPOUT}{rate}" for rate in SEARCH[task]["dropout"]["rates"])]


def methods(task, space):
    """The arms that search a space, by method."""
    if space.startswith(DROPOUT):
        return {"nao": SEARCH[task]["dropout"]["arms"]}
    return {name: SEARCH[task][space][name] for name in METHOD_NAMES}


def model(task, space, arm="none"):
    """What a task is made of; paths are dropped in one arm only."""
    own = SEARCH[task][space if space == "full" else "small"]
    made = {**SEARCH[task]["model"], **{key: own[key] for key in SPACES[task]}}
    if space.startswith(DROPOUT):
        made["dropout"] = float(space.removeprefix(DROPOUT))
    return made if arm == "drop_path" else {**made, "drop_path": 0.0}


def plasticity(task, arm):
    """How an arm protects earlier children, if it does."""
    if arm not in ANCHORED:
        return None
    settings = SEARCH[task]["plasticity"]
    decay_from = settings["decay_from"] if arm == "wpl_decay" else None
    return settings | {"decay_from": decay_from, "uniform": arm == "l2"}


def chunks(task, space, method, arm):
    """The root seeds of an arm, by the first of those that one job runs."""
    most = space == "small" and method != "nao" and arm in ("none", "wpl")
    seeds = SEARCH[task]["seeds" if most else "other_seeds"]
    size = SEARCH[task]["seeds_per_job"]
    return {seeds[i]: seeds[i : i + size] for i in range(0, len(seeds), size)}


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
    """The files of what was found in the full space, trained alone."""
    return [
        file
        for method, arms in methods(task, "full").items()
        for file in expand(pattern, task=task, method=method, arm=arms)
    ]


def searched(task):
    """Every file that the searches of a task leave, and what judges and shows them."""
    return [
        [runs(output, task, spaces(task)) for output in rules.search_cells.output],
        expand(
            rules.train_standalone.output,
            task=task,
            seed=SEARCH[task]["standalone"]["seeds"],
            first=cells(task),
        ),
        retrained(rules.retrain_found.output, task),
        random_cells(rules.retrain_random.output, task),
        expand(rules.evaluate_search.output, task=task),
        expand(rules.plot_search.output, task=task, figure=SEARCH_FIGURES),
    ]


def random_cells(pattern, task):
    """The file of what it is compared with, if there is anything."""
    return expand(pattern, task=task) if any(methods(task, "full").values()) else []


def standalone(task):
    """How an architecture is trained alone."""
    alone, training = SEARCH[task]["standalone"], SEARCH[task]["training"]
    shared = {k: training[k] for k in ("gradient_norm", "weight_decay", "explosion")}
    return {k: alone[k] for k in ("batches", "learning_rate")} | shared


def cells(task):
    """The numbers of the first architectures of the jobs that train the small space alone."""
    made = {key: SEARCH[task]["small"][key] for key in SPACES[task]}
    space = RecurrentSpace if task == "text" else ConvolutionalSpace
    return range(0, space(**made).size, SEARCH[task]["standalone"]["cells_per_job"])
