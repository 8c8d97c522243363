"""Hooks of MkDocs for equations as MathML, and for pages and figures outside of ``docs/``."""

import os
import re
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]
OUTSIDE = "project"
"""Folder of the site with copies of files of the repository outside of ``docs/``."""

CODE = re.compile(r"(```.*?```|`[^`\n]*`)", re.DOTALL)
EQUATION = re.compile(r"\$\$(.+?)\$\$|(?<![\w\\$])\$([^$\n]+?)\$(?![\w$])", re.DOTALL)
LINK = re.compile(r"(\]\()([^)#\s]+)([^)]*\))")


def on_files(files: Files, config: Any) -> Files:
    """Add copies of the repository's files outside of ``docs/`` that pages link to."""
    docs = Path(config.docs_dir)
    todo = [Path(file.abs_src_path) for file in files.documentation_pages()]
    while todo:
        source = todo.pop()
        for _, target, _ in LINK.findall(CODE.sub("", source.read_text("utf-8"))):
            file = _file(target, source)
            wanted = _place(file, docs) if file else ""
            if file and files.get_file_from_path(wanted) is None and ROOT in file.parents:
                files.append(File.generated(config, wanted, abs_src_path=str(file)))
                if file.suffix == ".md":
                    todo.append(file)
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:  # noqa: ARG001
    """Render the equations of a page, and redirect its links outside of ``docs/`` to copies."""
    source = Path(page.file.abs_src_path)
    here = Path(page.file.src_uri).parent

    def link(match: re.Match[str]) -> str:
        file = _file(match[2], source)
        if file is None:
            return match[0]
        place = os.path.relpath(_place(file, Path(config.docs_dir)), here)
        return f"{match[1]}{place}{match[3]}"

    parts = CODE.split(markdown)
    for i in range(0, len(parts), 2):  # odd parts are code
        parts[i] = LINK.sub(link, EQUATION.sub(_mathml, parts[i]))
    return "".join(parts)


def _file(target: str, source: Path) -> Path | None:
    """Return the target of a link if it is a file of the repository."""
    if "://" in target or target.startswith("mailto:"):
        return None
    file = Path(os.path.normpath(source.parent / target))
    return file if file.is_file() else None


def _place(file: Path, docs: Path) -> str:
    """Return the address of a file within the site's sources."""
    if file.is_relative_to(docs):
        return file.relative_to(docs).as_posix()
    return f"{OUTSIDE}/{file.relative_to(ROOT).as_posix()}"


def _mathml(match: re.Match[str]) -> str:
    """Convert LaTeX between dollars to MathML, which browsers render without a script."""
    display = "block" if match[1] else "inline"
    mathml = convert((match[1] or match[2]).strip(), display=display)
    return f"<span>{mathml}</span>"  # a line that starts with <math> would be a block of its own
