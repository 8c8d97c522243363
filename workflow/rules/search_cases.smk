"""What the searches are told, and which of them run: from parameters to arms and seeds."""

from wpl.search.names import ANCHORED
from wpl.search.recurrent import RecurrentSpace


def text_files():
    """Files that may change under the same name; those of the other sources are fixed."""
    if config["text"]["source"] != "folder":
        return []
    root = config["text"]["root"]
    return existing(
        "text.root", [f"{root}/{part}.txt" for part in ("train", "valid", "test")]
    )


def recurrent(space, arm="none"):
    """The shared model of a space; paths are dropped in one arm only."""
    model = {"nodes": SEARCH[space]["nodes"], **SEARCH["model"]}
    return model if arm == "drop_path" else {**model, "drop_path": 0.0}


def plasticity(arm):
    """How an arm protects earlier children, if it does."""
    if arm not in ANCHORED:
        return None
    decay_from = SEARCH["plasticity"]["decay_from"] if arm == "wpl_decay" else None
    return SEARCH["plasticity"] | {"decay_from": decay_from, "uniform": arm == "l2"}


def seeds(space, arm):
    """The root seeds of an arm: more of those that are compared most."""
    most = space == "small" and arm in ("none", "wpl")
    return SEARCH["seeds"] if most else SEARCH["other_seeds"]


def runs(pattern, space):
    """The files of all searches of a space."""
    return [
        file
        for method in METHOD_NAMES
        for arm in SEARCH[space][method]
        for file in expand(
            pattern, space=space, method=method, arm=arm, seed=seeds(space, arm)
        )
    ]


STANDALONE = {
    "batches": SEARCH["standalone"]["batches"],
    "learning_rate": SEARCH["standalone"]["learning_rate"],
    **{
        k: SEARCH["training"][k] for k in ("gradient_norm", "weight_decay", "explosion")
    },
}
CELLS = RecurrentSpace(SEARCH["small"]["nodes"]).size
FIRST_CELLS = range(0, CELLS, SEARCH["standalone"]["cells_per_job"])
