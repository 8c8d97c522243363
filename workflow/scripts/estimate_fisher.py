"""Estimate the Fisher information of every first model."""

from job import job
from wpl_lab.data.images import load_images
from wpl_lab.io.artifact import load_tensors, save_tensors
from wpl_lab.two_models.importance import estimate_fisher

with job(snakemake):
    seeds, how = snakemake.params.seeds, snakemake.params.fisher
    models, _ = load_tensors(snakemake.input.models, "first")
    fisher = estimate_fisher(models, load_images(snakemake.input.images), seeds=seeds, **how)
    save_tensors(snakemake.output.fisher, "fisher", fisher, seeds=seeds, fisher=how)
