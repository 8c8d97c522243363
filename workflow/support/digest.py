"""Digest of the code that a script runs: library code is an input of a job like any other.

Snakemake does not see edits in ``src/``. With this digest among a rule's params it does, by
content: a job runs again when the code of a module that it imports has changed, or the version of a
package, whenever the files were written; an edit elsewhere, or of a docstring, leaves it alone.
"""

import ast
import hashlib
import json
from collections.abc import Iterator
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, TypeGuard

from snakemake.exceptions import WorkflowError

PROJECTS = {"wpl", "wpl_lab"}
CHOSEN = "<chosen>"  # a module that is known at run time only
LOOK = {"title", "colour", "marker", "line", "applies", "default"}
"""What an entry of the table of arms says for figures and for the choice of arms, not for a job."""


@cache
def code_digest(
    script: str, root: Path, chosen: str | None = None, arms: frozenset[str] | None = None
) -> str:
    """Digest a script of ``workflow/scripts``, what it imports of the project, and versions.

    Docstrings, comments and layout do not count: an edit that changes no code changes no digest.
    Where a job is about some arms, the table of arms counts only for their entries.

    Args:
        script: Name of the script.
        root: The project's folder.
        chosen: The module that is imported by a call of ``import_module``, if there is one.
        arms: The arms that a job is about; None for one that may read the whole table.

    Returns:
        16 hexadecimal digits.
    """
    files, packages = executed(script, root, chosen)
    codes = {
        file.relative_to(root).as_posix(): _code(file, arms if _has_entries(file) else None)
        for file in files
    }
    versions = {package: _version(package) for package in packages}
    identity = json.dumps([sorted(codes.items()), sorted(versions.items())])
    return hashlib.sha256(identity.encode()).hexdigest()[:16]


def executed(script: str, root: Path, chosen: str | None = None) -> tuple[set[Path], set[str]]:
    """Find what running a script executes; the arguments are as for ``code_digest``.

    Returns:
        The files of the project, the script's own included, as absolute paths; and the names of
        the installed packages that they import.

    Raises:
        WorkflowError: If there is no such script, or an import hides which module it needs.
    """
    files: set[Path] = set()
    packages: set[str] = set()
    todo = [script]
    while todo:
        name = todo.pop()
        file = _find(name, root)
        if file is None:
            packages.update(_distributions().get(name.partition(".")[0], []))
        elif file not in files:
            files.add(file)
            for needed in _imports(name, file, root):
                if needed == CHOSEN and chosen is None:
                    raise WorkflowError(f"{file}: import_module() hides which module it needs")
                todo.append(chosen if needed == CHOSEN else needed)
    if not files:
        raise WorkflowError(f"there is no script {script}.py in {root / 'workflow/scripts'}")
    return files, packages - PROJECTS


@cache
def _parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text("utf-8"))


@cache
def _code(file: Path, arms: frozenset[str] | None) -> str:
    tree = _parsed(file)
    code = _essence(tree) if arms is None else _of_arms(tree, arms)
    return hashlib.sha256(repr(code).encode()).hexdigest()


@cache
def _has_entries(file: Path) -> bool:
    """Tell whether a file has entries of the table of arms."""
    return any(_is_entry(node) for node in ast.walk(_parsed(file)))


def _essence(node: Any) -> Any:
    """Reduce a syntax tree to what is executed, in a form that versions of Python agree on."""
    if isinstance(node, ast.AST):
        # Whether a name is read or written (ctx) follows from where it is.
        fields = {field: getattr(node, field) for field in node._fields if field != "ctx"}
        essence = [(name, _essence(v)) for name, v in fields.items() if v is not None]
        return type(node).__name__, [field for field in essence if field[1] != []]
    if isinstance(node, list):
        return [_essence(item) for item in node if not _is_text(item)]
    return node


def _of_arms(tree: ast.Module, arms: frozenset[str]) -> list[Any]:
    """Reduce the table of arms to the entries of some, and to the definitions that they use."""
    entries = [node for node in ast.walk(tree) if _is_entry(node) and _named(node) in arms]
    used = [k for entry in entries for k in entry.keywords if k.arg not in LOOK]
    definitions: list[ast.stmt] = []
    todo: list[ast.AST] = [*used]
    while todo:
        read = {n.id for n in ast.walk(todo.pop()) if isinstance(n, ast.Name)}
        new = [s for s in tree.body if s not in definitions and read & _defined(s)]
        definitions += new
        todo += new
    return [_essence(node) for node in (*used, *sorted(definitions, key=lambda s: s.lineno))]


def _is_entry(node: Any) -> TypeGuard[ast.Call]:
    """Tell whether an expression is an entry of the table of arms."""
    return isinstance(node, ast.Call) and _called(node) == "Arm"


def _named(entry: ast.Call) -> Any:
    """Read the name of the arm of an entry."""
    return next((ast.literal_eval(k.value) for k in entry.keywords if k.arg == "name"), None)


def _defined(statement: ast.stmt) -> set[str]:
    """List the names that a statement of a module defines."""
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return {alias.asname or alias.name for alias in statement.names}
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return {statement.name}
    found = (n for n in ast.walk(statement) if isinstance(n, ast.Name))
    return {name.id for name in found if isinstance(name.ctx, ast.Store)}


def _is_text(node: Any) -> bool:
    """Tell whether a statement is a docstring, which does nothing."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


_distributions = cache(metadata.packages_distributions)


def _version(package: str) -> str:
    """Give a package's version without the local part, which differs between platforms."""
    return metadata.version(package).partition("+")[0]


def _find(module: str, root: Path) -> Path | None:
    for folder in (root / "src", root / "workflow" / "scripts"):
        path = folder.joinpath(*module.split("."))
        for file in (path.with_suffix(".py"), path / "__init__.py"):
            if file.is_file():
                return file
    return None


@cache
def _imports(module: str, file: Path, root: Path) -> list[str]:
    return list(_find_imports(module, file, root))


def _find_imports(module: str, file: Path, root: Path) -> Iterator[str]:
    if "." in module:
        yield module.rpartition(".")[0]  # the package is executed first
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(_parsed(file)):
        if isinstance(node, ast.Call) and _called(node) == "import_module":
            yield CHOSEN
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1]
            source = ".".join([*parents, node.module or ""] if node.level else [node.module or ""])
            source = source.strip(".")
            yield source
            found = _find(source, root)
            if found is not None and found.name == "__init__.py":
                for alias in node.names:
                    # The package hands names on lazily: which module is needed must be said.
                    if _find(f"{source}.{alias.name}", root) is None:
                        raise WorkflowError(
                            f"{file}: import {alias.name!r} from its own module, not from {source}"
                        )
                    yield f"{source}.{alias.name}"


def _called(node: ast.Call) -> str:
    return getattr(node.func, "attr", getattr(node.func, "id", ""))
