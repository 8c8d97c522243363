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
    """digits: 1,797 images of 8×8 pixels that ship with scikit-learn; mnist, fashion_mnist,
    cifar10: downloaded; folder: your own images, as <class>/*, or as train/<class>/*, optionally
    with valid (or val, validation) and test. Other files are left out."""
    root: Annotated[str, MinLen(1)]
    """Folder that holds a data set, or into which it is downloaded (MNIST/raw, FashionMNIST/raw,
    cifar-10-binary.tar.gz). For source folder: the folder of images, or a .zip, .tar.gz or .tar.xz
    of it."""
    size: Count | None
    """Height and width in pixels to which all images are resized; null: no resizing."""
    background: Background
    """Background of transparent pixels of your own images: white or black."""
    limit: Count | None
    """Largest number of training images per class, drawn at random; a smaller limit draws a subset
    of a larger one. null: all images."""
    valid_share: Share
    """Share of the training images held out for validation."""
    test_share: Share
    """Share of all images held out as test data, for sources without a test part."""
    seed: Seed
    """Seed of the split into parts, the same for all runs."""


@dataclass(frozen=True, kw_only=True)
class TextData:
    """Text, and its vocabulary."""

    source: TextSource
    """manual: Python's reference manual, which ships with it; ptb: Penn Treebank, downloaded;
    folder: your own text."""
    root: Annotated[str, MinLen(1)]
    """For source ptb, the folder of ptb.train.txt, or into which it is downloaded; for source
    folder, the folder of train.txt, optionally with valid.txt (or val) and test.txt, or a single
    text file. Not used for manual."""
    tokens: Tokens
    """Tokens: words (lower case, punctuation separate, by Unicode's rules), given (separated by
    white space, for text that is tokenised already), or characters. Penn Treebank is tokenised
    already."""
    vocabulary: Several
    """Size of the vocabulary, the most frequent words of the training part, with <unk> and
    <eos>."""
    valid_share: Share
    """Share of the tokens held out for validation, for sources without that part."""
    test_share: Share
    """Share of the tokens held out as test data, for sources without that part."""
    seed: Seed
    """Seed of the split of the manual; your own text is split in order: train, valid, test."""

    def __post_init__(self) -> None:
        """Check that some text is left for training.

        Raises:
            ValueError: If validation and test data are all of the text.
        """
        held_out = self.valid_share + self.test_share
        if held_out >= 1:
            raise ValueError(
                f"valid_share: with test_share {held_out:g} of the text; it must be less than 1"
            )
