"""Facts about a text: counts, share of unknown words, samples, warnings."""

import pytest
from texts import read

from wpl_lab.data.parts import PARTS
from wpl_lab.data.text_facts import text_facts

SENTENCES = [f"The cat number {i}, who sat there, ran off. And then?" for i in range(40)]


def facts(root, content, **changed):
    """Return facts about a text whose parts have different orders."""
    root.mkdir(exist_ok=True)
    for i, part in enumerate(PARTS):
        lines = content[i * len(content) // 3 :] + content[: i * len(content) // 3]
        given = lines if part == "train" else lines[: len(lines) // 3]
        (root / f"{part}.txt").write_text("\n".join(given) + "\n", "utf-8")
    text, about = read("folder", root, **changed)
    return text_facts(text, about)


def warnings(*given, **changed):
    return [fact.note for fact in facts(*given, **changed) if fact.name == "warning"]


def test_counts_and_samples(tmp_path):
    (tmp_path / "train.txt").write_text("a b c\na b\n")
    (tmp_path / "valid.txt").write_text("a z\n")
    (tmp_path / "test.txt").write_text("b\n")
    text, about = read("folder", tmp_path)
    found = {fact.name: fact for fact in text_facts(text, about)}
    assert found["tokens"].values == {"train": 7, "valid": 3, "test": 2}
    assert found["lines"].values == {"train": 2, "valid": 1, "test": 1}
    assert found["share of <unk>"].values == {"train": 0, "valid": 0.3333, "test": 0}
    assert found["first tokens"].values["train"] == "a | b | c | <eos> | a | b | <eos>"
    assert found["words"].note.startswith("5 different ones")
    assert found["cut into"].note == "tokens as words"
    assert found["warning"].note == "33% of the tokens of valid are <unk>"


def apart(sentences):
    return [line.replace(",", " ,").replace(".", " .").replace("?", " ?") for line in sentences]


@pytest.mark.parametrize(
    ("content", "tokens", "message"),
    [
        (apart(SENTENCES), "words", "the text looks tokenised already; text.tokens: given"),
        (["a b <eos>"] * 20, "words", "the text looks tokenised already; text.tokens: given"),
        (SENTENCES, "given", "punctuation is attached to words; text.tokens: words"),
        (
            ["我们今天去公园玩昨天下雨了我们今天去公园玩昨天"] * 9,
            "given",
            "tokens are very long; use text.tok",
        ),
        (["x\ufffd"] * 9, "words", "the text has U+FFFD"),
    ],
)
def test_likely_mistakes_cause_a_warning(tmp_path, content, tokens, message):
    assert any(note.startswith(message) for note in warnings(tmp_path, content, tokens=tokens))


@pytest.mark.parametrize(
    ("content", "tokens"),
    [
        (SENTENCES, "words"),
        (apart(SENTENCES), "given"),
        (SENTENCES, "characters"),
        (
            [
                f"mr. cat {i} sits on the board of a firm that it has not seen for years"
                for i in range(99)
            ],
            "given",
        ),
    ],
)
def test_a_suitable_text_causes_no_warning(tmp_path, content, tokens):
    text = "\n".join(content) + "\n"
    (tmp_path / "novel.txt").write_text(text.replace("number", "with the number"))
    text, about = read("folder", tmp_path / "novel.txt", tokens=tokens)
    assert not [fact for fact in text_facts(text, about) if fact.name == "warning"]


def test_lines_that_are_also_in_train_cause_a_warning(tmp_path):
    assert "13 of 13 lines of test are in train too" in warnings(tmp_path, SENTENCES)


def test_the_manual_causes_no_warning(tmp_path):
    text, about = read("manual", tmp_path)
    found = text_facts(text, about)
    assert "warning" not in {fact.name for fact in found}
    assert {fact.name for fact in found} >= {"tokens", "lines", "share of <unk>", "first tokens"}
