"""Tokenisation of text: as given, into words and punctuation, or into characters."""

import re
import unicodedata

import regex

from wpl_lab.data.data_settings import Tokens

Line = tuple[str, ...]

UNKNOWN = "<unk>"
END = "<eos>"

# Scripts written without spaces: a character with its combining marks is a token.
_UNSPACED = r"\p{Han}\p{Hiragana}\p{Line_Break=Complex_Context}"
# Unicode's \w includes combining marks and joiners, Python's does not.
_LETTER = rf"[[\w\p{{N}}]--[{_UNSPACED}]]"
# Of other tokenizers: <|endoftext|>, <|im_start|>.
_SPECIAL = r"<unk>|<eos>|<\|\w+\|>"
_WORDS = regex.compile(rf"{_SPECIAL}|{_LETTER}+(?:['’·‧׳״]{_LETTER}+)*|\s+|\X", regex.V1)
_CHARACTERS = regex.compile(rf"{_SPECIAL}|\s|\X", regex.V1)
_RULING = re.compile(r"([^\w\s])\1{3,}")  # underlines of titles, frames of tables
# Soft hyphens, direction marks and byte order marks are removed; a zero-width space is a space.
_INVISIBLE = dict.fromkeys(
    [
        *map(ord, "\u00ad\u061c\u200e\u200f\u2060\ufeff"),
        *range(0x202A, 0x202F),
        *range(0x2066, 0x206A),
    ]
) | {ord("\u200b"): " "}


def tokens(line: str, how: Tokens = "words") -> Line:
    """Tokenise a line, after composing its characters (Unicode's form NFC).

    - ``"given"``: separated by white space, unchanged.
    - ``"words"``: words and punctuation in lower case. A word is a run of letters, digits and
      underscores with their combining marks, and with apostrophes and middle dots inside; in
      scripts written without spaces, such as Chinese and Thai, a character. Any other character is
      a token. Four or more of the same punctuation mark are an ornament, and left out.
    - ``"characters"``: grapheme clusters (a character with its combining marks); a run of white
      space is one token.

    ``<unk>``, ``<eos>`` and marks like ``<|endoftext|>`` are always tokens; an ``<eos>`` at the end
    is left out, since every line gets one.

    Args:
        line: The line.
        how: One of the above.

    Returns:
        The tokens in order; empty for an empty line.
    """
    if how == "given":
        found = unicodedata.normalize("NFC", line).split()
    elif how == "words":
        plain = unicodedata.normalize("NFC", line.translate(_INVISIBLE).lower())
        found = [token for token in _WORDS.findall(_RULING.sub(" ", plain)) if not token.isspace()]
    else:
        plain = unicodedata.normalize("NFC", line.translate(_INVISIBLE))
        found = _CHARACTERS.findall(" ".join(plain.split()))
    return tuple(found[:-1] if found and found[-1] == END else found)


def count(lines: list[Line]) -> int:
    """Count tokens, including the ``<eos>`` of each line."""
    return sum(len(line) + 1 for line in lines)
