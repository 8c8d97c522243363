"""Digest of the code that a script runs, which is an input of its job.

Snakemake does not track edits in ``src/``. With this digest among a rule's params, a job runs again
when the code of a module that it imports, or the version of a package, has changed. Other edits,
and edits of docstrings, do not change it; neither do the times of files.
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
CHOSEN = "<chosen>"  # a module that is known only at run time
LOOK = {"title", "colour", "marker", "line", "applies", "default"}
"""Fields of an entry of the table of arms that no job but figures and lists of arms uses."""


@cache
def code_digest(
    script: str, root: Path, chosen: str | None = None, arms: frozenset[str] | None = None
) -> str:
    """Digest a script of ``workflow/scripts``, its imports from the project, and package versions.

    Docstrings, comments and layout do not count. For a job about some arms, only their entries of
    the table of arms count.

    Args:
        script: Name of the script.
        root: The project's folder.
        chosen: The module that is imported by ``import_module``, if any.
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
    """Find the modules that a script executes; arguments are as in ``code_digest``.

    Returns:
        The files of the project, the script's own included, as absolute paths; and the names of
        the installed packages that they import.

    Raises:
        WorkflowError: If there is no such script, or an imported module cannot be determined.
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
    is_worth_a_look = b"Arm" in file.read_bytes()
    return is_worth_a_look and any(_is_entry(node) for node in ast.walk(_parsed(file)))


def _essence(node: Any) -> Any:
    """Reduce a syntax tree to what is executed, in a form independent of Python's version."""
    if isinstance(node, ast.AST):
        # Whether a name is read or written (ctx) follows from its position.
        fields = {field: getattr(node, field) for field in node._fields if field != "ctx"}
        essence = [(name, _essence(v)) for name, v in fields.items() if v is not None]
        return type(node).__name__, [field for field in essence if field[1] != []]
    if isinstance(node, list):
        return [_essence(item) for item in node if not _is_text(item)]
    return node


def _of_arms(tree: ast.Module, arms: frozenset[str]) -> list[Any]:
    """Reduce the table of arms to the entries of some arms and the definitions that they use."""
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
    """Tell whether a statement is a docstring."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


_distributions = cache(metadata.packages_distributions)


@cache
def _version(package: str) -> str:
    """Return a package's version without the local part, which differs between platforms."""
    return metadata.version(package).partition("+")[0]


@cache
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
    if b"import_module" in file.read_bytes() and any(
        isinstance(node, ast.Call) and _called(node) == "import_module"
        for node in ast.walk(_parsed(file))
    ):
        yield CHOSEN
    for node in _statements(_parsed(file)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1]
            source = ".".join([*parents, node.module or ""] if node.level else [node.module or ""])
            source = source.strip(".")
            yield source
            found = _find(source, root)
            if found is not None and found.name == "__init__.py":
                for alias in node.names:
                    # The package loads names lazily, so the module must be named.
                    if _find(f"{source}.{alias.name}", root) is None:
                        raise WorkflowError(
                            f"{file}: import {alias.name!r} from its own module, not from {source}"
                        )
                    yield f"{source}.{alias.name}"


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """Walk the statements of a module, those within others included, but no expression."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt | ast.ExceptHandler | ast.match_case):
            yield child
            yield from _statements(child)


def _called(node: ast.Call) -> str:
    return getattr(node.func, "attr", getattr(node.func, "id", ""))
