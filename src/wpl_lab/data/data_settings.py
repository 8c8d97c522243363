"""Settings of the data: where it comes from, and how it is split into parts."""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import MinLen

from wpl_lab.constraints import Count, Seed, Several, Share

Background = Literal["white", "black"]
ImageSource = Literal["digits", "mnist", "fashion_mnist", "cifar10", "folder"]
TextSource = Literal["manual", "ptb", "folder"]
Tokens = Literal["given", "words", "characters"]


@dataclass(frozen=True, kw_only=True)
class ImageData:
    """Images and their classes."""

    source: ImageSource
    """digits: 1,797 images of 8×8 that ship with scikit-learn; mnist, fashion_mnist, cifar10:
    downloaded; folder: your own images, as <class>/*, or as train/<class>/* with or without valid
    (val, validation) and test. Other files are left out."""
    root: Annotated[str, MinLen(1)]
    """Folder into which a data set is downloaded, or that holds it (MNIST/raw, FashionMNIST/raw,
    cifar-10-binary.tar.gz). For source folder: that folder, or its .zip, .tar.gz or .tar.xz."""
    size: Count | None
    """Height and width to which all images are resized; empty (null) leaves them as they are."""
    background: Background
    """What shows through transparent pixels of your own images: white or black."""
    limit: Count | None
    """Largest number of training images of each class, drawn at random, a smaller draw from a
    larger one; empty (null) takes all."""
    valid_share: Share
    """Share of the training images held out for validation."""
    test_share: Share
    """Share of all images held out as test data, for sources without a test part."""
    seed: Seed
    """Seed of the split into parts, the same for all runs."""


@dataclass(frozen=True, kw_only=True)
class TextData:
    """Text, and the words that are told apart."""

    source: TextSource
    """manual: Python's reference manual, which ships with it; ptb: Penn Treebank, downloaded;
    folder: your own text."""
    root: Annotated[str, MinLen(1)]
    """For source ptb, folder of ptb.train.txt, or into which it is downloaded; for source folder,
    folder of train.txt, with or without valid.txt (or val) and test.txt, or a single text file.
    manual needs none."""
    tokens: Tokens
    """Tokens: words (lower case, marks apart, by Unicode's rules), given (what blanks separate, for
    text that is cut already), or characters. Penn Treebank comes in words, which are kept."""
    vocabulary: Several
    """Size of the vocabulary, <unk> and <eos> included: the most frequent words of the training
    part."""
    valid_share: Share
    """Share of the tokens held out for validation, for sources without that part."""
    test_share: Share
    """Share of the tokens held out as test data, for sources without that part."""
    seed: Seed
    """Seed of the manual's split into parts; your own text is cut in its order: train, valid,
    test."""

    def __post_init__(self) -> None:
        """Check that something is left to train on.

        Raises:
            ValueError: If validation and test data are the whole text.
        """
        held_out = self.valid_share + self.test_share
        if held_out >= 1:
            raise ValueError(
                f"valid_share: with test_share {held_out:g} of the text; it must be less than 1"
            )
