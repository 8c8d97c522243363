"""Random streams derived from seeds, and batches."""

import pytest
import torch

from wpl_lab.seeding import batch_order, derive, generator


def test_streams_differ_by_seed_and_purpose():
    seeds = {derive(s, *p) for s in range(50) for p in ((), ("a",), ("b",), ("a", "b"), ("a/b2",))}
    assert len(seeds) == 250
    assert derive(3, "train_first", "init") == 8595597970094230342


def test_an_epoch_shows_every_sample_once():
    order = batch_order(12, batch_size=4, iterations=7, generator=generator(0, "x"))
    assert order.shape == (7, 4)
    assert sorted(order[:3].flatten().tolist()) == list(range(12))
    assert sorted(order[3:6].flatten().tolist()) == list(range(12))
    assert not torch.equal(order[:3], order[3:6])


def test_an_incomplete_batch_is_continued_in_the_next_epoch():
    order = batch_order(10, batch_size=4, iterations=4, generator=generator(0, "x"))
    assert len(order[:2].flatten().unique()) == 8


def test_too_few_samples_are_refused():
    with pytest.raises(ValueError, match="batch_size is 11, but there are only 10 samples"):
        batch_order(10, batch_size=11, iterations=1, generator=generator(0, "x"))
