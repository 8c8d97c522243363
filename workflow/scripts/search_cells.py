"""Search for cells with shared weights, seeds side by side; resume an interrupted job."""

from job import job, unfinished
from wpl_lab.arms import ARMS
from wpl_lab.devices import device
from wpl_lab.io.artifact import load_tensors, save_tensors
from wpl_lab.io.files import save_table
from wpl_lab.search.loop import search
from wpl_lab.search.settings import ArmTraining, Plasticity
from wpl_lab.search.spaces.tasks import make_task
from wpl_lab.search.strategies.strategy_settings import STRATEGIES

with job(snakemake), unfinished(snakemake) as folder:
    params, output = snakemake.params, snakemake.output
    method, arm = params.run["method"], params.run["arm"].partition("@")[0]
    checkpoints = {seed: folder / f"seed{seed}.safetensors" for seed in params.seeds}
    tables = search(
        make_task(
            params.task, snakemake.input.data, device=device(params.device), model=params.model
        ),
        arm=ARMS[arm],
        training=ArmTraining(**params.training),
        plasticity=Plasticity(**params.plasticity) if params.plasticity else None,
        strategy=STRATEGIES[method](**params.strategy) if method in STRATEGIES else None,
        checkpoints=checkpoints,
    )
    for name, table in tables.items():
        save_table(output[name], table.assign(**params.run))
    saved = {f"seed{seed}": load_tensors(file, "search") for seed, file in checkpoints.items()}
    states = {f"{seed}.{n}": t for seed, (state, _) in saved.items() for n, t in state.items()}
    save_tensors(
        output.states, "searches", states, **{seed: about for seed, (_, about) in saved.items()}
    )
