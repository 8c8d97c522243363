"""Train one network on half of the classes and then, by every arm, on the others."""

from job import job
from wpl_lab.data.images import load_images
from wpl_lab.io.files import save_table
from wpl_lab.two_models.second import Strengths
from wpl_lab.two_models.split import train_split

with job(snakemake):
    params = snakemake.params
    history = train_split(
        load_images(snakemake.input.images),
        arms={arm: Strengths(**strengths) for arm, strengths in params.arms.items()},
        **{name: params[name] for name in ("seeds", "width", "first", "second", "fisher")},
    )
    save_table(snakemake.output.history, history)
