"""Estimate the Fisher information of a model in two processes, each with half of the data.

Before that, both train the model with DistributedDataParallel and the backend gloo. For more
processes, or NCCL, start them with torchrun instead of ``spawn``.
"""

import argparse
import tempfile
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.functional import cross_entropy
from torch.nn.parallel import DistributedDataParallel

import wpl

PROCESSES = 2


def data():
    """Return 300 labelled points, the same in every process."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(300, 10, generator=generator)
    return x, x[:, :4].argmax(1)


def batches(x, y, rank=0, processes=1):
    """Return the batches of one of several processes."""
    mine = torch.arange(rank, len(x), processes)
    return [(x[some], y[some]) for some in mine.split(32)]


def run(rank, folder):
    """Train together with the other process, then estimate on this process's half of the data."""
    dist.init_process_group("gloo", f"file://{folder}/meet", rank=rank, world_size=PROCESSES)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = DistributedDataParallel(nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 4)))
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    mine = batches(*data(), rank, PROCESSES)
    for _ in range(20):
        for x, y in mine:
            optimizer.zero_grad()
            cross_entropy(model(x), y).backward()
            optimizer.step()

    fisher = wpl.diagonal_fisher(model.module, mine).over_processes()
    fisher.save(f"{folder}/process-{rank}.safetensors")
    if rank == 0:
        alone = wpl.diagonal_fisher(model.module, batches(*data()))
        largest = max(float(f.max()) for f in alone.values())
        difference = max(float((fisher[name] - f).abs().max()) for name, f in alone.items())
        print(f"{fisher.samples} samples in {PROCESSES} processes, {alone.samples} in one")
        print(f"largest difference: {difference / largest:.6f} of the largest value")
    dist.destroy_process_group()


def main():
    """Start the processes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--folder", type=Path, help="of the results; by default, a temporary folder"
    )
    folder = parser.parse_args().folder or Path(tempfile.mkdtemp())
    torch.multiprocessing.spawn(run, (folder,), nprocs=PROCESSES)


if __name__ == "__main__":
    main()
