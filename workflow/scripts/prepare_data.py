"""Read and decode the images, split them, and store them in one file."""

from pathlib import Path

from job import job
from wpl_lab.data.image_sources import read_images
from wpl_lab.data.images import save_images

with job(snakemake):
    params = snakemake.params
    images = read_images(params.source, root=Path(params.root), **params.how)
    save_images(snakemake.output.images, images)
