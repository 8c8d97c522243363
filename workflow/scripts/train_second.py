"""Train the second model of every seed by one arm, after the first model at every stop."""

from job import job
from wpl_lab.data.images import load_images
from wpl_lab.io.artifact import check_tensors, load_tensors, save_tensors
from wpl_lab.io.files import save_table
from wpl_lab.two_models.arms import IMPORTANCE
from wpl_lab.two_models.second import train_second

with job(snakemake):
    params = snakemake.params
    models, _ = load_tensors(snakemake.input.models, "first")
    kind = IMPORTANCE.get(params.arm, "fisher")
    importance, about = load_tensors(snakemake.input.importance, kind)
    check_tensors(snakemake.input.models, models)
    fisher = {"least": 0.0, "like": (snakemake.input.models, models)} if kind == "fisher" else {}
    check_tensors(snakemake.input.importance, importance, **fisher)
    case = {name: params[name] for name in ("arm", "shared", "alphas", "seeds", "stops")}
    weights, history = train_second(
        load_images(snakemake.input.images),
        {name: p[: len(params.stops)] for name, p in models.items()},
        importance,
        **case,
        floor=params.floor,
        width=params.width,
        **params.second,
    )
    save_tensors(
        snakemake.output.models, "second", weights, **case, **{kind: about.get(kind, about)}
    )
    save_table(snakemake.output.history, history)
