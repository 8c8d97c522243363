"""Long estimates: Ctrl-C keeps the finished batches, and a progress bar is shown."""

import os
import signal
from functools import partial

import preloaded
import pytest
import torch
from torch import nn
from tqdm import tqdm
from workspace import ROOT

import wpl


def data(batches, samples=4):
    torch.manual_seed(0)
    return [(torch.randn(samples, 5), torch.randint(3, (samples,))) for _ in range(batches)]


@pytest.fixture(autouse=True)
def ctrl_c_arrives():
    """Handle SIGINT, which a shell ignores in background processes such as these tests."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3))


def pressing(batches, at, times=1):
    """Yield batches; SIGINT arrives while one of them is loaded."""
    for k, batch in enumerate(batches):
        if k == at:
            for _ in range(times):
                os.kill(os.getpid(), signal.SIGINT)
        yield batch


def test_ctrl_c_keeps_the_finished_batches(model):
    batches = data(5)
    with pytest.raises(wpl.Interrupted, match="interrupted after 12 samples") as stopped:
        wpl.diagonal_fisher(model, pressing(batches, 2))
    expected = wpl.diagonal_fisher(model, batches[:3])
    found = stopped.value.fisher
    assert found.samples == 12
    assert all(torch.equal(found[name], f) for name, f in expected.items())
    rest = wpl.diagonal_fisher(model, batches[3:])
    whole = wpl.diagonal_fisher(model, batches)
    for name, f in (found + rest).items():
        torch.testing.assert_close(f, whole[name])


def test_ctrl_c_twice_stops_at_once(model):
    with pytest.raises(KeyboardInterrupt) as stopped:
        wpl.diagonal_fisher(model, pressing(data(5), 2, times=2))
    assert not isinstance(stopped.value, wpl.Interrupted)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_users_signal_handler_is_not_replaced(model):
    pressed = []
    before = signal.signal(signal.SIGINT, lambda *_: pressed.append(1))
    try:
        fisher = wpl.diagonal_fisher(model, pressing(data(5), 2))
    finally:
        signal.signal(signal.SIGINT, before)
    assert fisher.samples == 20
    assert pressed == [1]


def test_an_uncaught_interrupt_ends_a_program():
    program = (
        "import os, signal, torch, wpl\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "batch = torch.randn(2, 5), torch.tensor([0, 1])\n"
        "def batches():\n"
        "    yield batch\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    yield batch\n"
        "wpl.diagonal_fisher(torch.nn.Linear(5, 3), batches())\n"
    )
    code, printed = preloaded.execute(["python", "-c", program], ROOT / "src", os.environ)
    assert code != 0
    assert "interrupted after 4 samples" in printed


@pytest.mark.parametrize("known", [True, False])
def test_the_bar_advances_within_a_batch(model, capsys, monkeypatch, known):
    monkeypatch.setattr("wpl.fisher.batches.tqdm", partial(tqdm, mininterval=0))
    batches = data(2)
    given = batches if known else iter(batches)
    wpl.diagonal_fisher(model, given, kind="exact", progress=True)
    shown = capsys.readouterr().err
    assert "0.50/2 batches" in shown or not known, "after one of the two vectors of a batch"
    assert ("2.00/2 batches" in shown) == known
    wpl.diagonal_fisher(model, batches)
    assert not capsys.readouterr().err


def test_gradient_norms_have_a_bar(model, capsys):
    wpl.gradient_norms(model, data(2), progress=True)
    assert "/2 batches" in capsys.readouterr().err
