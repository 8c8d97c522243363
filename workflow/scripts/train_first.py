"""Train the first model of every seed, and keep a copy at every stop."""

from job import job
from wpl_lab.data.images import load_images
from wpl_lab.io.artifact import save_tensors
from wpl_lab.io.files import save_table
from wpl_lab.two_models.first import train_first
from wpl_lab.two_models.training_settings import First

with job(snakemake):
    params = snakemake.params
    images = load_images(snakemake.input.images)
    models, path, stops = train_first(
        images, First(**params.first), seeds=params.seeds, width=params.width
    )
    about = {"seeds": params.seeds, **params.first}
    save_tensors(snakemake.output.models, "first", models, **about)
    for kind in ("fall", "moved"):
        save_tensors(snakemake.output[kind], kind, path[kind], **about)
    save_table(snakemake.output.stops, stops)
