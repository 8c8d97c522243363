"""Lines are split into tokens by the rules of their script, or left as they are."""

import unicodedata

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from wpl_lab.data.text_tokens import tokens


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("It's Python’s own, so.", ["it's", "python’s", "own", ",", "so", "."]),
        ('a = __add__(b)  # "c"', ["a", "=", "__add__", "(", "b", ")", "#", '"', "c", '"']),
        ("Title\n*****", ["title"]),
        ("ein <unk> Übermaß...", ["ein", "<unk>", "übermaß", ".", ".", "."]),
        ("well-known 'x'", ["well", "-", "known", "'", "x", "'"]),
        ("x² costs 3.14", ["x²", "costs", "3", ".", "14"]),
        (" \t", []),
        # Combining marks and joiners are inside words.
        ("नमस्ते दुनिया, यह", ["नमस्ते", "दुनिया", ",", "यह"]),
        ("مُحَمَّدٌ رَسُولُ", ["مُحَمَّدٌ", "رَسُولُ"]),
        ("cafe\u0301 nai\u0308ve", ["café", "na\u00efve"]),
        ("İstanbul ılık", ["i\u0307stanbul", "ılık"]),
        ("می\u200cخواهم برو", ["می\u200cخواهم", "برو"]),
        ("தமிழ் மொழி", ["தமிழ்", "மொழி"]),
        ("col·lecció · paral‧lel", ["col·lecció", "·", "paral‧lel"]),
        ("צה״ל ג׳ירפה", ["צה״ל", "ג׳ירפה"]),
        ("한국어 문장.", ["한국어", "문장", "."]),
        ("\u1112\u1161\u11ab \u1100\u116e\u11a8", ["한", "국"]),
        # Without blanks, each character is a token.
        ("我们今天去公园玩。", list("我们今天去公园玩。")),
        ("東京タワーへ行く", ["東", "京", "タワー", "へ", "行", "く"]),
        ("กินข้าว", ["กิ", "น", "ข้", "า", "ว"]),
        # A character as perceived by a reader is one token.
        ("👨\u200d👩\u200d👧 ok 👍🏽 🇫🇷", ["👨\u200d👩\u200d👧", "ok", "👍🏽", "🇫🇷"]),
        # Invisible characters are left out.
        ("co\u00adoperate\u200e\ufeff a\u200bb", ["cooperate", "a", "b"]),
        ("\u202bשלום\u202c, \u2066a\u2069", ["שלום", ",", "a"]),
        ("a <eos> b <unk> <eos>", ["a", "<eos>", "b", "<unk>"]),
        ("End.<|EndOfText|>So", ["end", ".", "<|endoftext|>", "so"]),
        ("a <| b |> c", ["a", "<", "|", "b", "|", ">", "c"]),
        ("one\u2028two\u0085three\fthree", ["one", "two", "three", "three"]),
    ],
)
def test_words_and_punctuation(line, expected):
    assert list(tokens(line)) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "the @-@ Cat , 1 @,@ 000 <unk> .",
            ["the", "@-@", "Cat", ",", "1", "@,@", "000", "<unk>", "."],
        ),
        ("ca n't <eos>", ["ca", "n't"]),
        ("**** a\u00adb", ["****", "a\u00adb"]),
        ("cafe\u0301", ["café"]),
        ("", []),
    ],
)
def test_given_tokens_are_not_changed(line, expected):
    assert list(tokens(line, "given")) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Ab  c", ["A", "b", " ", "c"]),
        (" 我们 ", ["我", "们"]),
        ("नमस्ते", ["न", "म", "स्ते"]),
        ("e\u0301 👨\u200d👩\u200d👧", ["\u00e9", " ", "👨\u200d👩\u200d👧"]),
        ("a<unk>b<eos>", ["a", "<unk>", "b"]),
        ("a<|endoftext|>b", ["a", "<|endoftext|>", "b"]),
    ],
)
def test_characters_keep_their_combining_marks(line, expected):
    assert list(tokens(line, "characters")) == expected


@given(st.text(st.characters(exclude_categories=["Cs", "Cf"])))
def test_nothing_is_lost(line):
    """Joined characters give the composed line; words contain its letters in order."""
    composed = unicodedata.normalize("NFC", line)
    joined = "".join(tokens(line, "characters"))
    assert joined == " ".join(composed.split()).removesuffix("<eos>") or "<eos>" in line
    letters = regex.sub(r"[^\p{L}\p{N}]", "", unicodedata.normalize("NFC", line.lower()))
    assert regex.sub(r"[^\p{L}\p{N}]", "", "".join(tokens(line))) == letters


@given(st.text())
def test_no_token_is_empty_or_blank(line):
    for how in ("given", "words"):
        assert all(
            token and not token.isspace() and " " not in token for token in tokens(line, how)
        )
    assert "" not in tokens(line, "characters")
