"""Facts about a text, and warnings about likely mistakes."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor

from wpl_lab.data.data_settings import Tokens
from wpl_lab.data.facts import WARNING, Fact
from wpl_lab.data.parts import PARTS, Part
from wpl_lab.data.text import Text
from wpl_lab.data.text_tokens import Line

_SHOWN = 12  # tokens
_MANY_UNKNOWN = 0.2
_MANY_KNOWN = 0.5
_LONG = 20  # characters per token
_MARKED = 0.07  # share of words that end with punctuation; in sentences it is larger


def text_facts(text: Text, about: Mapping[str, Any]) -> list[Fact]:
    """Collect the facts about a text: counts, share of unknown words, a sample, warnings.

    Args:
        text: The text.
        about: Its origin, as returned by ``read_text``.

    Returns:
        The facts.
    """
    parts: dict[Part, Tensor] = {part: getattr(text, part) for part in PARTS}
    unknown = {part: float((numbers == 0).double().mean()) for part, numbers in parts.items()}
    samples = {
        part: " | ".join(text.words[number] for number in numbers[:_SHOWN].tolist())
        for part, numbers in parts.items()
    }
    many = [part for part in PARTS if unknown[part] > _MANY_UNKNOWN]
    return [
        Fact("source", note=str(about.get("source", ""))),
        Fact("cut into", note=f"tokens as {about.get('tokens', 'words')}"),
        Fact("tokens", {part: len(numbers) for part, numbers in parts.items()}),
        Fact("words", note=f"{len(text.words)} different ones, <unk> and <eos> among them"),
        Fact("share of <unk>", {part: round(share, 4) for part, share in unknown.items()}),
        Fact("first tokens", samples),
        *(Fact(**fact) for fact in about.get("facts", [])),
        *(
            Fact(WARNING, note=f"{unknown[part]:.0%} of the tokens of {part} are <unk>")
            for part in many
        ),
    ]


def facts_of_lines(
    parts: Mapping[Part, Sequence[Line]], tokens: Tokens, content: str
) -> list[Fact]:
    """Collect the facts that need the lines of a text, not only its token numbers.

    Args:
        parts: Lines by part.
        tokens: How they were tokenised.
        content: The training part before tokenisation.

    Returns:
        The facts.
    """
    warnings = [*_of_overlap(parts), *_of_cut(content, tokens)]
    return [
        Fact("lines", {part: len(lines) for part, lines in parts.items()}),
        *(Fact(WARNING, note=note) for note in warnings),
    ]


def _of_overlap(parts: Mapping[Part, Sequence[Line]]) -> Iterator[str]:
    train = set(parts["train"])
    for part in ("valid", "test"):
        known = sum(line in train for line in parts[part])
        if known > _MANY_KNOWN * len(parts[part]):
            yield f"{known} of {len(parts[part])} lines of {part} are in train too"


def _of_cut(content: str, tokens: Tokens) -> Iterator[str]:
    """Detect text that is tokenised already, and text that is not, but is declared to be."""
    apart = len(re.findall(r"(?<=\s)[.,;:!?](?=\s)", content))
    attached = len(re.findall(r"(?<=\w)[.,;:!?](?=\s)", content))
    if tokens == "words" and (apart > 4 * max(attached, 5) or "<eos>" in content):
        yield "the text looks tokenised already; text.tokens: given leaves it as it is"
    if tokens == "given":
        words = content.split()
        if attached > max(4 * apart, _MARKED * len(words)):
            yield "punctuation is attached to words; text.tokens: words separates it"
        elif len(content) > _LONG * max(1, len(words)):
            yield "tokens are very long; use text.tokens: words or characters"
    if "\ufffd" in content:
        yield "the text has U+FFFD, which replaces characters that could not be decoded"
