"""Read and decode the images, split them, and store them in one file."""

from job import job
from wpl_lab.data.data_settings import ImageData
from wpl_lab.data.facts import log_facts
from wpl_lab.data.image_facts import image_facts
from wpl_lab.data.image_sources import read_images
from wpl_lab.data.images import save_images

with job(snakemake):
    images = read_images(ImageData(**snakemake.params.settings))
    log_facts(image_facts(images))
    save_images(snakemake.output.images, images)
