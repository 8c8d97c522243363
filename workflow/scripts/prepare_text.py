"""Read the text, tokenise it, split it, number its words, and store it in one file."""

from job import job
from wpl_lab.data.data_settings import TextData
from wpl_lab.data.facts import log_facts
from wpl_lab.data.text import save_text
from wpl_lab.data.text_facts import text_facts
from wpl_lab.data.text_sources import read_text

with job(snakemake):
    text, about = read_text(TextData(**snakemake.params.settings))
    log_facts(text_facts(text, about))
    save_text(snakemake.output.text, text, **about)
