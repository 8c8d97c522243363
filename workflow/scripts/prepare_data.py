"""Read the images, split them, and store them in one file."""

from pathlib import Path

from job import job
from wpl.image_sources import read_images
from wpl.images import save_images

with job(snakemake):
    source, root = snakemake.params.source, Path(snakemake.params.root)
    images = read_images(source, root=root, **snakemake.params.split)
    save_images(snakemake.output.images, images)
