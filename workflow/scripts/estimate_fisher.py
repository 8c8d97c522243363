"""Estimate the Fisher information of every first model."""

from job import job
from wpl_lab.data.images import load_images
from wpl_lab.io.artifact import load_tensors, save_tensors
from wpl_lab.two_models.importance import estimate_fisher
from wpl_lab.two_models.training_settings import Fisher

with job(snakemake):
    seeds, how = snakemake.params.seeds, snakemake.params.fisher
    models, _ = load_tensors(snakemake.input.models, "first")
    images = load_images(snakemake.input.images)
    fisher = estimate_fisher(models, images, Fisher(**how), seeds=seeds)
    save_tensors(snakemake.output.fisher, "fisher", fisher, seeds=seeds, fisher=how)
