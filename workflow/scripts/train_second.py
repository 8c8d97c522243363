"""Train the second model of every seed with one arm, after the first model at every stop."""

from job import job
from wpl_lab.arms import ARMS
from wpl_lab.data.images import load_images
from wpl_lab.io.artifact import check_tensors, load_tensors, save_tensors
from wpl_lab.io.files import save_table
from wpl_lab.two_models.second import Strengths, train_second
from wpl_lab.two_models.training_settings import Second

with job(snakemake):
    inputs, params = snakemake.input, snakemake.params
    models, _ = load_tensors(inputs.models, "first")
    check_tensors(inputs.models, models)
    estimates, about = {}, {}
    for kind in ARMS[params.arm].estimates:
        estimates[kind], how = load_tensors(inputs[kind], kind)
        like = {} if kind == "omega" else {"like": (inputs.models, models)}
        least = {"least": 0.0} if kind == "fisher" else {}
        check_tensors(inputs[kind], estimates[kind], **like, **least)
        about[kind] = how.get(kind, how)
    stops = slice(len(params.stops))
    case = {name: params[name] for name in ("shared", "seeds", "stops")}
    weights, history = train_second(
        load_images(inputs.images),
        {name: p[stops] for name, p in models.items()},
        {kind: {name: e[stops] for name, e in of.items()} for kind, of in estimates.items()},
        Second(**params.second),
        arm=ARMS[params.arm],
        strengths=Strengths(**params.strengths),
        width=params.width,
        **case,
    )
    about |= {"arm": params.arm, "strengths": params.strengths, **case}
    save_tensors(snakemake.output.models, "second", weights, **about)
    save_table(snakemake.output.history, history)
