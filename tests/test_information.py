"""Estimates of the Fisher information can be added, saved, loaded and checked."""

import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from workspace import ROOT

from wpl import diagonal_fisher
from wpl.fisher.information import Fisher, fingerprint


@pytest.fixture
def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3)).double()


def data(samples, seed=1):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(samples, 5, generator=generator, dtype=torch.float64)
    return x, torch.randint(3, (samples,), generator=generator)


def assert_close(found, expected):
    assert list(found) == list(expected)
    for name, f in expected.items():
        torch.testing.assert_close(found[name], f, rtol=1e-12, atol=1e-15)


def test_an_estimate_has_its_metadata(model):
    fisher = diagonal_fisher(model, [data(7), data(3)], kind="exact", floor=0.5)
    assert isinstance(fisher, Fisher)
    assert fisher.facts() == {
        "kind": "exact",
        "samples": 10,
        "unit": "sequence",
        "likelihood": "categorical",
        "floor": 0.5,
        "model": fingerprint(model),
    }
    assert "samples=10" in repr(fisher)


@pytest.mark.parametrize("floor", [0.0, 0.25])
def test_shards_add_up_to_the_whole(model, floor):
    shards = [data(n, seed=n) for n in (3, 8, 5)]
    whole = diagonal_fisher(model, shards, floor=floor)
    a, b, c = (diagonal_fisher(model, [shard], floor=floor) for shard in shards)
    for joined in (a + b + c, c + (b + a)):
        assert joined.samples == 16
        assert_close(joined, whole)


def test_estimates_in_half_precision_are_added_in_single_precision(model):
    shards = [data(n, seed=n) for n in (1, 3)]
    a, b = (diagonal_fisher(model.bfloat16(), [(x.bfloat16(), y)]) for x, y in shards)
    for name, f in (a + b).items():
        expected = (a[name].double() + 3 * b[name].double()) / 4
        torch.testing.assert_close(f, expected.float(), rtol=0, atol=0)


def test_different_quantities_are_not_added(model):
    one = diagonal_fisher(model, [data(4)])
    other = diagonal_fisher(model, [data(4)], kind="exact")
    with pytest.raises(ValueError, match="kind is 'empirical' and 'exact'"):
        one + other
    with pytest.raises(ValueError, match=r"'0\.weight' is missing from one of the two"):
        one + diagonal_fisher(model, [data(4)], parameters=["0.bias"])
    with torch.no_grad():
        model[0].weight.mul_(2)
    with pytest.raises(ValueError, match=r"model is '[0-9a-f]{16}' and '[0-9a-f]{16}'"):
        one + diagonal_fisher(model, [data(4)])
    with pytest.raises(TypeError, match="unsupported operand"):
        one + dict(one)


def test_a_fingerprint_depends_only_on_the_weights(model):
    before = fingerprint(model)
    assert fingerprint(model.eval()) == before
    assert fingerprint(nn.Sequential(model[0], nn.Tanh(), model[2])) == before
    assert fingerprint(nn.Sequential(model[0], model[2])) != before
    sgd = torch.optim.SGD(model.parameters(), 1e-6)
    model(data(2)[0]).square().sum().backward()
    sgd.step()
    assert fingerprint(model) != before
    assert fingerprint(nn.Flatten()), "without parameters"


def test_a_file_has_the_complete_estimate(model, tmp_path):
    fisher = diagonal_fisher(model, [data(6)], floor=1e-3)
    fisher.save(tmp_path / "a.safetensors")
    found = Fisher.load(tmp_path / "a.safetensors", model=model)
    assert found.facts() == fisher.facts()
    assert all(torch.equal(found[name], f) for name, f in fisher.items())
    found.save(tmp_path / "b.safetensors")
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


def test_a_file_that_does_not_fit_the_model_is_refused(model, tmp_path):
    path = tmp_path / "fisher.safetensors"
    diagonal_fisher(model, [data(6)]).save(path)
    with pytest.raises(ValueError, match=r"the model has no parameter '0\.weight'; it has 1\."):
        Fisher.load(path, model=nn.Sequential(nn.Flatten(), nn.Linear(5, 4)))
    with pytest.raises(ValueError, match=r"'0\.weight' has shape \(4, 5\).* has \(4, 6\)"):
        Fisher.load(path, model=nn.Sequential(nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 3)))


def test_weights_that_were_trained_further_are_detected(model):
    fisher = diagonal_fisher(model, [data(6)])
    fisher.check(model, weights=True)
    with torch.no_grad():
        model[2].bias += 1
    fisher.check(model)
    with pytest.raises(ValueError, match="estimated at other weights"):
        fisher.check(model, weights=True)


def test_another_kind_of_file_or_a_damaged_one_is_refused(model, tmp_path):
    path = tmp_path / "file.safetensors"
    save_file(dict(model.state_dict()), path)
    with pytest.raises(ValueError, match=r"file\.safetensors: not a file of Fisher information"):
        Fisher.load(path)
    fisher = diagonal_fisher(model, [data(6)])
    fisher.save(path)
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(ValueError, match="or damaged"):
        Fisher.load(path)
    bad = {name: f - 1 for name, f in fisher.items()}
    Fisher(tensors=bad, kind="empirical", samples=6).save(path)
    with pytest.raises(ValueError, match=r"'0\.weight' is negative or not finite"):
        Fisher.load(path)
    with pytest.raises(FileNotFoundError):
        Fisher.load(tmp_path / "nowhere.safetensors")


def test_two_processes_give_the_same_estimate_as_one(tmp_path):
    """The example is run with two gloo processes."""
    script = ROOT / "examples/fisher_of_two_processes.py"
    done = subprocess.run(
        [sys.executable, script, "--folder", tmp_path], check=True, capture_output=True, text=True
    )
    assert "largest difference: 0.000000" in done.stdout, done.stdout
    shards = [load_file(tmp_path / f"process-{rank}.safetensors") for rank in (0, 1)]
    assert all(torch.equal(shards[0][name], shards[1][name]) for name in shards[0])
