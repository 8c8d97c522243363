"""Estimate the importance for other remedies: output sensitivity, and the exact Ω."""

from job import job
from wpl_lab.data.images import load_images
from wpl_lab.io.artifact import load_tensors, save_tensors
from wpl_lab.two_models.remedies import estimate_mas, estimate_omega

with job(snakemake):
    inputs, outputs, params = snakemake.input, snakemake.output, snakemake.params
    models, _ = load_tensors(inputs.models, "first")
    images, how = load_images(inputs.images), {"seeds": params.seeds, "samples": params.samples}
    if "mas" in params.estimates:
        save_tensors(outputs.mas, "mas", estimate_mas(models, images, **how), **how)
    if "omega" in params.estimates:
        converged = {name: p[:1] for name, p in models.items()}
        omega = estimate_omega(converged, images, shared=params.shared, **how, **params.omega)
        save_tensors(outputs.omega, "omega", omega, **how, **params.omega)
