"""Arguments of the rules for data: from sections of params.yaml to files and settings."""

import os

from support.folders import folder_digest
from wpl_lab.data.data_files import DataError
from wpl_lab.data.text_files import find_text_files

# Priority of reading and checking the data, before any training.
FIRST = 100


def source(section):
    """The settings of a section with a source; its root may begin with ~."""
    return {**config[section], "root": os.path.expanduser(config[section]["root"])}


def image_files(wc):
    """An archive of images, whose content may change under the same name."""
    given = source(wc.section)
    archive = given["source"] == "folder" and Path(given["root"]).is_file()
    return [given["root"]] if archive else []


def image_content(wc):
    """Digest of a folder of images; other sources do not change."""
    given = source(wc.section)
    return folder_digest(given["root"]) if given["source"] == "folder" else None


def images(section):
    """The file of the images of a section of params.yaml."""
    return f"results/prepare_data/{section}.safetensors"


def text_files():
    """The user's text files, which may change; other sources do not."""
    given = source("text")
    if given["source"] != "folder":
        return []
    try:
        return list(map(str, find_text_files(Path(given["root"])).values()))
    except DataError as error:
        raise SystemExit(f"error: params: {error}")


def prepared(wc):
    """The prepared file of a section."""
    text = wc.prepared == "text"
    return rules.prepare_text.output.text if text else images(wc.prepared)


def needs(wc):
    """The arguments for checking the data of a section in ``data_needs.py``."""
    if wc.prepared == "data":
        return two_models_needs()
    names = {
        "text": ("batch_size", "steps", "score_rows"),
        "images": ("batch_size", "stages"),
    }[wc.prepared]
    return {name: SEARCH[wc.prepared]["model"][name] for name in names}


def two_models_needs():
    """Numbers of images for batches and the Fisher information, and the sizes of Ω."""
    batches = {
        f"{model}.batch_size": config[model]["batch_size"]
        for model in ("first", "second")
    }
    most = max(map(len, SEEDS.values()))
    omega = {"width": config["width"], "shared": HEADLINE, "seeds": most}
    return {
        "batch_sizes": batches,
        "samples": config["fisher"]["samples"],
        "omega": omega if "omega" in ESTIMATED else None,
        "split": bool(config["split"]["arms"]),
    }
