"""Helpers for tests that read texts."""

from wpl_lab.data.data_settings import TextData
from wpl_lab.data.text_sources import read_text


def read(source, root="unused", **changed):
    """Read a text; 15 % are held out for validation, 10 % as test data."""
    given = {"vocabulary": 1000, "tokens": "words"}
    given |= {"valid_share": 0.15, "test_share": 0.1, "seed": 0}
    return read_text(TextData(source=source, root=str(root), **given | changed))


def words_of(text, part):
    """Return the words of a part."""
    return [text.words[i] for i in getattr(text, part).tolist()]
