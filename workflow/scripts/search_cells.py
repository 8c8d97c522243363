"""Search for cells with shared weights, seed after seed; go on where a job was interrupted."""

import pandas as pd

from job import job, unfinished
from wpl_lab.devices import device
from wpl_lab.io.artifact import load_tensors, save_tensors
from wpl_lab.io.files import save_table
from wpl_lab.search.loop import search
from wpl_lab.search.settings import STRATEGIES, Plasticity, Training
from wpl_lab.search.spaces.tasks import tasks

with job(snakemake), unfinished(snakemake) as folder:
    params, output = snakemake.params, snakemake.output
    method = params.run["method"]
    fresh = tasks(
        params.task, snakemake.input.data, device=device(params.device), model=params.model
    )
    checkpoints = {f"seed{seed}": folder / f"seed{seed}.safetensors" for seed in params.seeds}
    found = [
        search(
            fresh(seed),
            seed=seed,
            training=Training(**params.training),
            plasticity=Plasticity(**params.plasticity) if params.plasticity else None,
            strategy=STRATEGIES[method](**params.strategy) if method in STRATEGIES else None,
            checkpoint=checkpoint,
        )
        for seed, checkpoint in zip(params.seeds, checkpoints.values(), strict=True)
    ]
    for name in ("children", "policy", "scores"):
        rows = [
            tables[name].assign(**params.run, seed=seed)
            for seed, tables in zip(params.seeds, found, strict=True)
        ]
        save_table(output[name], pd.concat(rows, ignore_index=True))
    saved = {name: load_tensors(file, "search") for name, file in checkpoints.items()}
    states = {
        f"{seed}.{name}": t for seed, (state, _) in saved.items() for name, t in state.items()
    }
    save_tensors(
        output.states, "searches", states, **{seed: about for seed, (_, about) in saved.items()}
    )
