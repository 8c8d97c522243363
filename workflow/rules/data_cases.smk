"""What readers of data are told: from sections of params.yaml to files and settings."""

from support.folders import folder_digest


def image_files(wc):
    """An archive of images, whose content may change under the same name."""
    given = config[wc.section]
    archive = given["source"] == "folder" and Path(given["root"]).is_file()
    return [given["root"]] if archive else []


def image_settings(wc):
    """How images are read."""
    names = ("size", "limit", "valid_share", "test_share", "seed")
    return {name: config[wc.section][name] for name in names}


def image_content(wc):
    """What a folder of images holds; the other sources are fixed."""
    given = config[wc.section]
    return folder_digest(given["root"]) if given["source"] == "folder" else None


def images(section):
    """The file of the images of a section of params.yaml."""
    return f"results/prepare_data/{section}.safetensors"


def text_files():
    """Files that may change under the same name; those of the other sources are fixed."""
    if config["text"]["source"] != "folder":
        return []
    root = config["text"]["root"]
    return existing(
        "text.root", [f"{root}/{part}.txt" for part in ("train", "valid", "test")]
    )
