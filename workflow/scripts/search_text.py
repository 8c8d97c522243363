"""Search for a recurrent cell with shared weights; go on where an interrupted job stopped."""

import shutil

from job import job, unfinished
from wpl.devices import device
from wpl.files import atomic, save_table
from wpl.search.loop import search
from wpl.search.settings import Plasticity, Policy, Training
from wpl.search.text_task import TextTask
from wpl.text import load_text

with job(snakemake), unfinished(snakemake) as checkpoint:
    params, output = snakemake.params, snakemake.output
    text, _ = load_text(snakemake.input.text)
    task = TextTask(text, seed=params.seed, device=device(params.device), **params.model)
    tables = search(
        task,
        seed=params.seed,
        training=Training(**params.training),
        plasticity=Plasticity(**params.plasticity) if params.plasticity else None,
        policy=Policy(**params.policy) if params.policy else None,
        checkpoint=checkpoint,
    )
    for name in ("children", "policy", "scores"):
        save_table(output[name], tables[name].assign(**params.run, seed=params.seed))
    with atomic(output.state) as temporary:
        shutil.copyfile(checkpoint, temporary)
