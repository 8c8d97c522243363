"""Tell what was read of the data, and whether it suffices for what is asked of it."""

from job import job
from wpl_lab.data.data_needs import check_images, check_omega, check_text, check_two_models
from wpl_lab.data.facts import save_facts
from wpl_lab.data.image_facts import image_facts
from wpl_lab.data.images import load_images
from wpl_lab.data.text import load_text
from wpl_lab.data.text_facts import text_facts

with job(snakemake):
    inputs, outputs, params = snakemake.input, snakemake.output, snakemake.params
    data, images = load_images(inputs.data), load_images(inputs.images)
    text, about = load_text(inputs.text)
    save_facts(outputs.data, image_facts(data))
    save_facts(outputs.images, image_facts(images))
    save_facts(outputs.text, text_facts(text, about))
    check_two_models(data.sizes, **params.two_models)
    if params.omega:
        check_omega(data.pixels["train"][0].numel(), **params.omega)
    check_images(images.sizes, images.pixels["train"].shape[2:], **params.search_images)
    check_text(text.sizes, **params.search_text)
