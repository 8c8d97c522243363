"""Train one network on half of the classes and then, with every arm, on the others."""

from job import job
from wpl_lab.data.images import load_images
from wpl_lab.io.files import save_table
from wpl_lab.two_models.second import Strengths
from wpl_lab.two_models.split import train_split
from wpl_lab.two_models.training_settings import First, Fisher, Second

with job(snakemake):
    params = snakemake.params
    history = train_split(
        load_images(snakemake.input.images),
        arms={arm: Strengths(**strengths) for arm, strengths in params.arms.items()},
        seeds=params.seeds,
        width=params.width,
        first=First(**params.first),
        second=Second(**params.second),
        fisher=Fisher(**params.fisher),
    )
    save_table(snakemake.output.history, history)
