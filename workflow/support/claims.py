"""Insert claims, rendered by the workflow, into documents: `make claims`.

A document names the file, and the command replaces the text in between:

    <!-- from results/evaluate_search/text/claims.md -->
    …
    <!-- end -->
"""

import re
import sys
from pathlib import Path

DOCUMENTS = ("README.md", "REPRODUCIBILITY.md")
BLOCK = re.compile(r"(<!-- from (\S+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)


def renewed(document: str, root: Path) -> str:
    """Replace every marked block of a document by the content of its file.

    Args:
        document: Its text.
        root: The folder below which the files are.

    Returns:
        The new text.

    Raises:
        FileNotFoundError: If there is no such file; names it.
    """

    def text(block: re.Match[str]) -> str:
        return block[1] + (root / block[2]).read_text("utf-8") + block[4]

    return BLOCK.sub(text, document)


def main() -> int:
    """Renew the documents of this working copy.

    Returns:
        0, or 1 if a file that they name is missing.
    """
    try:
        new = {name: renewed(Path(name).read_text("utf-8"), Path()) for name in DOCUMENTS}
    except FileNotFoundError as error:
        print(f"error: {error.filename}: no such file; run the workflow first", file=sys.stderr)
        return 1
    for name, text in new.items():
        Path(name).write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
