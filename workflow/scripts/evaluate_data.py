"""List facts about the data of a section, and check that the data suffice for its use."""

from job import job
from wpl_lab.data.data_needs import check_images, check_text, check_two_models
from wpl_lab.data.facts import save_facts
from wpl_lab.data.image_facts import image_facts
from wpl_lab.data.images import load_images
from wpl_lab.data.text import load_text
from wpl_lab.data.text_facts import text_facts

with job(snakemake):
    prepared, needs = snakemake.wildcards.prepared, snakemake.params.needs
    if prepared == "text":
        text, about = load_text(snakemake.input[0])
        save_facts(snakemake.output.facts, text_facts(text, about))
        check_text(text.sizes, **needs)
    else:
        images = load_images(snakemake.input[0])
        save_facts(snakemake.output.facts, image_facts(images))
        shape = tuple(images.pixels["train"].shape[1:])
        if prepared == "data":
            check_two_models(images.labels["train"].bincount().tolist(), shape, **needs)
        else:
            check_images(images.sizes, shape, **needs)
