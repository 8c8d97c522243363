"""A finished run as a Workflow Run RO-Crate, what others' tools read of a run: `make crate`.

The crate is a zip of the workflow, of its parameters, and of the tables, metrics and figures that
it made, with ro-crate-metadata.json, which says what each of them is and when they were made.
Checkpoints are left out: DVC has them.

    https://w3id.org/ro/wfrun/workflow
"""

import itertools
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

from support.stages import RECORDED
from wpl.files import atomic

TITLE = "Forgetting between models that share weights"
CRATE = Path("crate.zip")
DESCRIPTION = "ro-crate-metadata.json"
WORKFLOW = "Snakefile"
PARAMS = "params.yaml"
SOURCES = (
    *(WORKFLOW, PARAMS, "README.md", "LICENSE", "pyproject.toml", "requirements.lock"),
    *("src/", "workflow/", "config/", "profiles/"),
)
"""What the run was made with; a folder stands for all that git knows in it."""
LEFT_OUT = (".safetensors",)
TYPES = {
    ".csv": "text/csv",
    ".html": "text/html",
    ".json": "application/json",
    ".md": "text/markdown",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".yaml": "application/yaml",
}
WORKFLOW_CRATE = "https://w3id.org/workflowhub/workflow-ro-crate/1.0"
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": "Process Run Crate",
    "https://w3id.org/ro/wfrun/workflow/0.5": "Workflow Run Crate",
    WORKFLOW_CRATE: "Workflow RO-Crate",
}
CONTEXT = "https://w3id.org/ro/crate/1.1/context"
COMPUTATIONAL_WORKFLOW = "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"
FORMAL_PARAMETER = "https://bioschemas.org/profiles/FormalParameter/1.0-RELEASE"

Entity = dict[str, Any]


def describe(results: Iterable[str], *, ran: tuple[float, float], revision: str) -> Entity:
    """Describe a run.

    Args:
        results: Paths of the files that it made, ``results/RULE/…``.
        ran: When its first job began and its last one ended, seconds since 1970.
        revision: The git commit.

    Returns:
        The content of ro-crate-metadata.json.
    """
    made: dict[str, list[str]] = {}
    for file in sorted(results):
        made.setdefault("/".join(file.split("/")[:2]) + "/", []).append(file)
    begun, ended = (datetime.fromtimestamp(t, UTC).isoformat(timespec="seconds") for t in ran)
    data = {path: _data(path) for path in [*SOURCES, *made, *itertools.chain(*made.values())]}
    for folder, files in made.items():
        data[folder]["hasPart"] = _links(files)
    parameters = [_parameter(data[path]) for path in (PARAMS, *made)]
    data["README.md"]["about"] = {"@id": "./"}
    data[WORKFLOW] |= {
        "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow"],
        "name": TITLE,
        "version": revision,
        "license": {"@id": "LICENSE"},
        "conformsTo": {"@id": COMPUTATIONAL_WORKFLOW},
        "programmingLanguage": {"@id": "#snakemake"},
        "input": {"@id": parameters[0]["@id"]},
        "output": _links(parameter["@id"] for parameter in parameters[1:]),
    }
    root = {
        "@id": "./",
        "@type": "Dataset",
        "name": f"{TITLE}: a run",
        "description": "Tables, metrics and figures of a run, the workflow and its parameters.",
        "datePublished": ended,
        "author": {"@id": "#authors"},
        "publisher": {"@id": "#authors"},
        "license": {"@id": "LICENSE"},
        "conformsTo": _links(PROFILES),
        "mainEntity": {"@id": WORKFLOW},
        "mentions": {"@id": "#run"},
        "hasPart": _links([*SOURCES, *made]),
    }
    run = {
        "@id": "#run",
        "@type": "CreateAction",
        "name": f"A run of {WORKFLOW}",
        "description": f"snakemake --cores all, with the parameters of {PARAMS}",
        "instrument": {"@id": WORKFLOW},
        "agent": {"@id": "#authors"},
        "startTime": begun,
        "endTime": ended,
        "actionStatus": "http://schema.org/CompletedActionStatus",
        "object": {"@id": PARAMS},
        "result": _links(made),
    }
    graph = [_metadata(), root, run, *data.values(), *parameters, *_others()]
    return {"@context": CONTEXT, "@graph": graph}


def _metadata() -> Entity:
    """Describe the description itself."""
    return {
        "@id": DESCRIPTION,
        "@type": "CreativeWork",
        "about": {"@id": "./"},
        "conformsTo": _links(["https://w3id.org/ro/crate/1.1", WORKFLOW_CRATE]),
    }


def _data(path: str) -> Entity:
    """Describe a file, or a folder, whose path ends with a slash."""
    if path.endswith("/"):
        return {"@id": path, "@type": "Dataset", "name": path}
    kind = TYPES.get(Path(path).suffix, "text/plain")
    return {"@id": path, "@type": "File", "name": path, "encodingFormat": kind}


def _parameter(data: Entity) -> Entity:
    """Describe a file or folder as an input or an output of the workflow; links both."""
    data["exampleOfWork"] = {"@id": f"#parameter-{data['@id']}"}
    return {
        "@id": f"#parameter-{data['@id']}",
        "@type": "FormalParameter",
        "name": data["name"],
        "additionalType": data["@type"],
        "conformsTo": {"@id": FORMAL_PARAMETER},
        "workExample": {"@id": data["@id"]},
    }


def _others() -> Iterator[Entity]:
    """Describe what the entities refer to: profiles, language, author."""
    for address, name in PROFILES.items():
        number = address.rpartition("/")[2]
        yield {"@id": address, "@type": "CreativeWork", "name": name, "version": number}
    yield {
        "@id": "#snakemake",
        "@type": "ComputerLanguage",
        "name": "Snakemake",
        "identifier": {"@id": "https://doi.org/10.1093/bioinformatics/bts480"},
        "url": {"@id": "https://snakemake.github.io"},
        "version": version("snakemake"),
    }
    yield {"@id": "#authors", "@type": "Organization", "name": "The wpl authors"}


def _links(identifiers: Iterable[str]) -> list[Entity]:
    return [{"@id": identifier} for identifier in identifiers]


def ran(records: Path) -> tuple[float, float]:
    """Read from Snakemake's records when the first job began and the last one ended.

    Returns:
        Both in seconds since 1970.

    Raises:
        FileNotFoundError: If there are none: no run with the parameters of params.yaml is finished.
    """
    times = []
    for file in records.rglob("*"):
        if file.is_file() and file.name != "receipts.json":
            record = json.loads(file.read_text("utf-8"))
            times.append((record["starttime"], record["endtime"]))
    if not times:
        raise FileNotFoundError(f"{records}: no record of a finished run; run the workflow first")
    begun, ended = zip(*times, strict=True)
    return min(begun), max(ended)


def write(crate: Path) -> int:
    """Write the crate of this working copy; returns how many files are in it."""
    sources = _git("ls-files", "--", *SOURCES).splitlines()
    results = [
        file.as_posix()
        for file in sorted(Path("results").rglob("*"))
        if file.is_file() and file.suffix not in LEFT_OUT and not file.name.startswith(".")
    ]
    described = describe(results, ran=ran(RECORDED), revision=_git("rev-parse", "HEAD"))
    with atomic(crate) as temporary, ZipFile(temporary, "w", ZIP_DEFLATED) as zipped:
        zipped.writestr(DESCRIPTION, json.dumps(described, indent=1, ensure_ascii=False))
        for file in [*sources, *results]:
            zipped.write(file)
    return len(sources) + len(results) + 1


def _git(*command: str) -> str:
    done = subprocess.run(["git", *command], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def main() -> int:
    """Write crate.zip.

    Returns:
        0, or 1 if there is no finished run, or no git repository.
    """
    try:
        number = write(CRATE)
    except FileNotFoundError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        print(f"error: git: {error.stderr.strip()}", file=sys.stderr)
        return 1
    print(f"{CRATE}: {number} files")
    return 0


if __name__ == "__main__":
    sys.exit(main())
