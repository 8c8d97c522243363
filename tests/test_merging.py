"""Fisher-weighted averages of models: formula, files, memory and errors."""

import json
import subprocess
import sys

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from wpl import diagonal_fisher, merge, merging


def draw(seed, *, importance=False):
    generator = torch.Generator().manual_seed(seed)
    shapes = {"a": (7, 5), "b": (7,), "c": (), "empty": (0, 2)}
    found = {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    return {name: t.square() for name, t in found.items()} if importance else found


MODELS = [(draw(k), draw(10 + k, importance=True)) for k in range(3)]


def by_the_formula(models, coefficients, floor=0.0):
    """Compute the average by the formula, entry by entry."""
    merged = {}
    for name, like in models[0][0].items():
        out = torch.empty(like.numel())
        for i in range(like.numel()):
            entries = [
                (factor * (f[name].flatten()[i].item() + floor), t[name].flatten()[i].item())
                for factor, (t, f) in zip(coefficients, models, strict=True)
            ]
            out[i] = sum(f * t for f, t in entries) / sum(f for f, _ in entries)
        merged[name] = out.reshape(like.shape)
    return merged


def assert_close(found, expected):
    assert found.keys() == expected.keys()
    for name, t in expected.items():
        torch.testing.assert_close(found[name], t, rtol=1e-6, atol=1e-7)


def saved(models, folder):
    """Write models to files, and return the paths."""
    paths = []
    for k, pair in enumerate(models):
        paths.append(tuple(folder / f"{what}{k}.safetensors" for what in ("model", "fisher")))
        for path, tensors in zip(paths[-1], pair, strict=True):
            save_file(dict(tensors), path)
    return paths


@pytest.mark.parametrize("elements", [1, 12, 2**20])
@pytest.mark.parametrize("files", [False, True])
def test_is_the_formula(monkeypatch, tmp_path, elements, files):
    monkeypatch.setattr(merging, "_PIECE", elements)
    coefficients, floor = [1.0, 0.25, 3.0], 0.01
    expected = by_the_formula(MODELS, coefficients, floor)
    models = saved(MODELS, tmp_path) if files else MODELS
    found = merge(models, coefficients=coefficients, floor=floor)
    assert_close(found, expected)
    merge(models, coefficients=coefficients, floor=floor, path=tmp_path / "merged.safetensors")
    written = load_file(tmp_path / "merged.safetensors")
    assert_close(
        {name: written[name] for name in expected}, found | {n: found[n] for n in expected}
    )
    with safe_open(tmp_path / "merged.safetensors", framework="pt") as file:
        assert file.metadata() == {"format": "pt"}, "as transformers expects"


def test_coefficients_alone_weight_the_average_where_all_fisher_information_is_0():
    weights = [{"a": torch.tensor([1.0, 3.0]), "free": torch.tensor(k)} for k in (2.0, 4.0)]
    fishers = [{"a": torch.tensor([0.0, 1.0])}, {"a": torch.tensor([0.0, 0.0])}]
    weights[1]["a"] = torch.tensor([2.0, 7.0])
    found = merge([*zip(weights, fishers, strict=True)], coefficients=[1, 3])
    assert_close(found, {"a": torch.tensor([1.75, 3.0]), "free": torch.tensor(3.5)})


def test_preserves_types_and_copies_integers_from_the_first_model(tmp_path):
    models = []
    for k in (1, 3):
        weights = {"half": torch.full((2, 3), float(k), dtype=torch.bfloat16), "n": torch.tensor(k)}
        models.append((weights, {"half": torch.ones(2, 3)}))
    expected = {"half": torch.full((2, 3), 2.0, dtype=torch.bfloat16), "n": torch.tensor(1)}
    found = merge(models)
    merge(models, path=tmp_path / "merged.safetensors")
    written = load_file(tmp_path / "merged.safetensors")
    for name, t in expected.items():
        assert torch.equal(found[name], t)
        assert torch.equal(written[name], t)
        assert found[name].dtype == written[name].dtype == t.dtype


def test_tied_weights_stay_tied():
    models = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        model = nn.Sequential(nn.Embedding(5, 4), nn.Linear(4, 5))
        model[1].weight = model[0].weight
        x = torch.randint(5, (6, 3))
        models.append((model.state_dict(), diagonal_fisher(model, [(x, x)])))
    assert "1.weight" not in models[0][1]
    found = merge(models)
    assert torch.equal(found["0.weight"], found["1.weight"])
    model.load_state_dict(found)
    assert not torch.equal(found["0.weight"], (models[0][0]["0.weight"] + model[0].weight) / 2)


def test_reads_a_folder_of_shards(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    weights = MODELS[0][0]
    shards = {"one.safetensors": ["a", "empty"], "two.safetensors": ["b", "c"]}
    for shard, names in shards.items():
        save_file({name: weights[name] for name in names}, folder / shard)
    index = {"weight_map": {name: shard for shard, names in shards.items() for name in names}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    found = merge([(folder, MODELS[0][1]), MODELS[1]])
    assert_close(found, merge(MODELS[:2]))
    (folder / "model.safetensors.index.json").unlink()
    save_file(weights, folder / "model.safetensors")
    assert_close(merge([(folder, MODELS[0][1])]), weights)


def test_a_merged_model_solves_the_tasks_of_both_models():
    torch.manual_seed(0)
    start = nn.Linear(8, 3)
    x = torch.randn(400, 8)
    y = (x @ torch.randn(8, 3)).argmax(1)
    models = []
    for half in (slice(0, 4), slice(4, 8)):
        seen = torch.zeros_like(x)
        seen[:, half] = x[:, half]
        model = nn.Linear(8, 3)
        model.load_state_dict(start.state_dict())
        adam = torch.optim.Adam(model.parameters(), 0.05)
        for _ in range(200):
            adam.zero_grad()
            nn.functional.cross_entropy(model(seen), y).backward()
            adam.step()
        models.append((model.state_dict(), diagonal_fisher(model, [(seen, y)])))
    even = [(weights, {}) for weights, _ in models]

    def accuracy(weights):
        start.load_state_dict(weights)
        return float((start(x).argmax(1) == y).double().mean())

    alone = max(accuracy(weights) for weights, _ in models)
    assert accuracy(merge(models)) > alone + 0.1
    assert accuracy(merge(models)) > accuracy(merge(even)) + 0.03


MEASURE = """
import resource, sys, torch
import wpl
from pathlib import Path
folder = Path(sys.argv[1])
models = [(folder / f"model{k}.safetensors", folder / f"fisher{k}.safetensors") for k in (0, 1)]
small = {"a": torch.ones(2)}
wpl.merge([(small, small)], path=folder / "small.safetensors")  # loads all that is needed
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
wpl.merge(models, path=folder / "merged.safetensors")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_needs_memory_for_chunks_only(tmp_path):
    """Two models of 80 MB, mostly in one tensor, are merged in less than half the memory of one."""
    models = [({"big": torch.rand(1500, 10_000), "b": torch.rand(500, 10_000)},) * 2] * 2
    saved(models, tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, tmp_path], check=True, capture_output=True, text=True
    )
    assert int(done.stdout) < 40_000, "kilobytes in addition to the memory of the program"
    assert (tmp_path / "merged.safetensors").stat().st_size > 80_000_000


def change(k, part, **tensors):
    models = [[dict(weights), dict(fisher)] for weights, fisher in MODELS]
    models[k][part].update(tensors)
    return [tuple({n: t for n, t in d.items() if t is not None} for d in pair) for pair in models]


@pytest.mark.parametrize(
    ("models", "settings", "message"),
    [
        ([], {}, "models is empty"),
        (MODELS, {"coefficients": [1.0]}, r"expected 3 coefficients above 0, .* got \[1.0\]"),
        (MODELS, {"coefficients": [1.0, 0.0, 1.0]}, "expected 3 coefficients above 0"),
        (MODELS, {"floor": -1.0}, "floor must be finite and not negative; got -1.0"),
        (change(1, 0, b=None), {}, "a mapping of 3 tensors has no weight 'b'"),
        (change(1, 0, d=torch.ones(1)), {}, "has no weight 'd', another model has"),
        (change(1, 1, b=None), {}, "a mapping of 3 tensors has no 'b', another Fisher"),
        (change(0, 1, d=torch.ones(1)), {}, "has no weight 'd', a mapping of 5 tensors has"),
        (change(1, 0, b=torch.ones(6)), {}, r"'b' has shape \(6,\) in .*; expected \(7,\)"),
        (change(2, 1, c=torch.ones(6)), {}, r"'c' has shape \(6,\) in .*; expected \(\)"),
        (change(0, 1, c=torch.tensor(-1.0)), {}, "the Fisher information of 'c' is negative"),
        (change(0, 1, c=torch.tensor(torch.nan)), {}, "'c' is negative or not finite"),
    ],
)
def test_names_the_culprit(models, settings, message):
    with pytest.raises(ValueError, match=message):
        merge(models, **settings)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "text.safetensors").write_text("no tensors at all")
    with pytest.raises(ValueError, match=r"text\.safetensors: not a safetensors file"):
        merge([(tmp_path / "text.safetensors", {})])
    with pytest.raises(FileNotFoundError):
        merge([(tmp_path / "nowhere.safetensors", {})])


def test_a_merge_that_fails_does_not_change_the_file(tmp_path):
    path = tmp_path / "merged.safetensors"
    merge(MODELS, path=path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="negative"):
        merge(change(0, 1, c=torch.tensor(-1.0)), path=path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["merged.safetensors"]
