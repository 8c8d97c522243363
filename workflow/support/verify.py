"""Check DVC's cache: `make verify`. DVC itself does not verify its cache.

Reports every damaged object, and every object that is in dvc.lock but missing. Removes damaged
objects and the results that were copied from them, so that `dvc pull` fetches them or `snakemake`
makes them again.
"""

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import yaml


def main() -> int:
    """Check all objects in the cache of the working copy.

    Returns:
        The exit code: 1 if something is damaged or missing.
    """
    shown = subprocess.run(["dvc", "cache", "dir"], capture_output=True, text=True, check=True)
    cache = Path(shown.stdout.strip()) / "files" / "md5"
    objects = {file.parent.name + file.name: file for file in sorted(cache.glob("??/*"))}
    damaged = {name for name, file in objects.items() if _md5(file) != name.removesuffix(".dir")}
    wrong = {objects[name].read_bytes() for name in damaged}
    for name in sorted(damaged):
        print(f"{objects[name]}: damaged, removed")
        objects.pop(name).unlink()
    faults = len(damaged)
    for path, name in _recorded(objects):
        if name not in objects:
            state = "damaged" if name in damaged else "not"
            print(f"{path}: {state} in the cache, files/md5/{name[:2]}/{name[2:]}")
            faults += name not in damaged
            if path.is_file() and path.read_bytes() in wrong:
                path.unlink()
    if faults:
        print("`dvc pull` fetches what a remote has; `snakemake` makes the rest")
    else:
        print(f"{len(objects)} objects are sound")
    return int(faults > 0)


def _recorded(objects: dict[str, Path]) -> Iterator[tuple[Path, str]]:
    """List the results that dvc.lock has in the cache, with the names of their objects."""
    lock = yaml.safe_load(Path("dvc.lock").read_text("utf-8"))
    in_git = {
        next(iter(out))
        for stage in yaml.safe_load(Path("dvc.yaml").read_text("utf-8"))["stages"].values()
        for out in stage["outs"]
        if not next(iter(out.values())).get("cache", True)
    }
    for stage in lock["stages"].values():
        for out in stage["outs"]:
            if out["path"] in in_git:
                continue
            yield Path(out["path"]), out["md5"]
            if out["md5"].endswith(".dir") and out["md5"] in objects:
                for entry in json.loads(objects[out["md5"]].read_text("utf-8")):
                    yield Path(out["path"]) / entry["relpath"], entry["md5"]


def _md5(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "md5").hexdigest()


if __name__ == "__main__":
    sys.exit(main())
