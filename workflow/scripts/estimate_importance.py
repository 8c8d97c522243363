"""Estimate the importance of the weights as other remedies define it, and the exact Ω."""

from job import job
from wpl_lab.data.images import load_images
from wpl_lab.io.artifact import load_tensors, save_tensors
from wpl_lab.two_models.mlp import layer_names
from wpl_lab.two_models.remedies import estimate_mas, estimate_omega, path_importance, scaled

with job(snakemake):
    inputs, outputs, params = snakemake.input, snakemake.output, snakemake.params
    models, _ = load_tensors(inputs.models, "first")
    path, _ = load_tensors(inputs.path, "path")
    fisher, _ = load_tensors(inputs.fisher, "fisher")
    shared = {name: fisher[name] for name in layer_names(params.shared)}
    images, how = load_images(inputs.images), {"seeds": params.seeds, "samples": params.samples}
    converged = {name: p[:1] for name, p in models.items()}

    if "si" in params.arms:
        si = scaled(path_importance(path, **params.si), shared)
        save_tensors(outputs.si, "si", si, seeds=params.seeds, **params.si)
    if "mas" in params.arms:
        mas = scaled(estimate_mas(models, images, **how), shared)
        save_tensors(outputs.mas, "mas", mas, **how)
    if "omega" in params.arms:
        omega = estimate_omega(converged, images, shared=params.shared, **how, **params.omega)
        save_tensors(outputs.omega, "omega", omega, **how, **params.omega)
