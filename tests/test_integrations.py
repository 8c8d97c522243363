"""The callbacks for trainers: each step equals that of the plain loop."""

import os

import preloaded
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset
from workspace import ROOT

import wpl

LR, ALPHA, STEPS = 0.1, 5.0, 3


def data():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(STEPS * 4, 5, generator=generator), torch.arange(STEPS * 4) % 3


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3))


def held(model):
    """Anchor a model at other weights than its own."""
    weights = dict(model.named_parameters())
    fisher = wpl.diagonal_fisher(model, [data()])
    return wpl.WeightPlasticity({n: p.detach() + 0.1 for n, p in weights.items()}, fisher, ALPHA)


def by_hand(*, pull):
    model = network()
    plasticity, weights = held(model), dict(model.named_parameters())
    sgd = torch.optim.SGD(model.parameters(), LR)
    x, y = data()
    for some in torch.arange(len(x)).split(4):
        sgd.zero_grad()
        cross_entropy(model(x[some]), y[some]).backward()
        if not pull:
            plasticity.add_gradient_(weights)
        sgd.step()
        if pull:
            plasticity.pull_(weights, LR)
    return weights


def assert_equal(model, expected):
    for name, p in model.named_parameters():
        torch.testing.assert_close(p, expected[name])


class Wrapped(nn.Module):
    """A model for the Trainer of transformers, which returns a dictionary with the loss."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x, labels):
        logits = self.network(x)
        return {"loss": cross_entropy(logits, labels), "logits": logits}


def hugging_face(folder, callbacks, **settings):
    transformers = pytest.importorskip("transformers")
    model = network()

    class InOrder(transformers.Trainer):
        def _get_train_sampler(self, *_):
            return torch.utils.data.SequentialSampler(self.train_dataset)

    arguments = transformers.TrainingArguments(
        output_dir=folder,
        num_train_epochs=1,
        learning_rate=LR,
        optim="sgd",
        lr_scheduler_type="constant",
        per_device_train_batch_size=4,
        max_grad_norm=1e9,
        save_strategy="no",
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
        use_cpu=True,
        **settings,
    )
    examples = [{"x": x, "labels": y} for x, y in zip(*data(), strict=True)]
    InOrder(Wrapped(model), arguments, train_dataset=examples, callbacks=callbacks).train()
    return model


@pytest.mark.filterwarnings("ignore")  # of the trainer itself
@pytest.mark.parametrize("pull", [False, True])
def test_hugging_faces_trainer_takes_the_steps_of_the_loop(tmp_path, pull):
    integration = pytest.importorskip("wpl.integrations.transformers")
    model = network()
    named = Wrapped(model)
    fisher = wpl.diagonal_fisher(named, [{"x": data()[0], "labels": data()[1]}])
    anchor = {name: p.detach() + 0.1 for name, p in named.named_parameters()}
    plasticity = wpl.WeightPlasticity(anchor, fisher, ALPHA)
    callback = integration.PlasticityCallback(plasticity, pull=pull)
    assert_equal(hugging_face(tmp_path, [callback]), by_hand(pull=pull))


@pytest.mark.filterwarnings("ignore")
def test_a_model_without_the_anchored_weights_is_refused_before_training(tmp_path):
    integration = pytest.importorskip("wpl.integrations.transformers")
    callback = integration.PlasticityCallback(held(network()))
    with pytest.raises(ValueError, match=r"the anchored weight '0\.weight' is missing"):
        hugging_face(tmp_path, [callback])


def module():
    lightning = pytest.importorskip("lightning")

    class Module(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.model = network()

        def training_step(self, batch, _):
            return cross_entropy(self.model(batch[0]), batch[1])

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), LR)

    return Module()


def trained(callback, **settings):
    lightning = pytest.importorskip("lightning")
    made = module()
    quiet = ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary")
    trainer = lightning.Trainer(
        max_epochs=1,
        accelerator="cpu",
        callbacks=[callback],
        **dict.fromkeys(quiet, False),
        **settings,
    )
    trainer.fit(made, DataLoader(TensorDataset(*data()), batch_size=4))
    return made.model


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("pull", [False, True])
def test_lightnings_trainer_takes_the_steps_of_the_loop(pull):
    integration = pytest.importorskip("wpl.integrations.lightning")
    callback = integration.PlasticityCallback(held(network()), submodule="model", pull=pull)
    assert_equal(trained(callback), by_hand(pull=pull))


@pytest.mark.filterwarnings("ignore")
def test_accumulated_batches_are_pulled_once_per_step():
    integration = pytest.importorskip("wpl.integrations.lightning")
    callback = integration.PlasticityCallback(held(network()), submodule="model", pull=True)
    pulls, pull_ = [], callback.plasticity.pull_
    callback.plasticity.pull_ = lambda *given: (pulls.append(1), pull_(*given))
    trained(callback, accumulate_grad_batches=STEPS)
    assert len(pulls) == 1


def test_a_checkpoint_of_lightning_contains_the_anchors():
    integration = pytest.importorskip("wpl.integrations.lightning")
    first, second = (integration.PlasticityCallback(held(network())) for _ in range(2))
    first.plasticity.add_anchor(*other_task())
    second.load_state_dict(first.state_dict())
    weights = dict(network().named_parameters())
    assert first.plasticity.loss(weights) == second.plasticity.loss(weights)


def other_task():
    weights = dict(network().named_parameters())
    return weights, {name: torch.ones_like(p) for name, p in weights.items()}, 2.0


def test_with_several_optimisers_each_gets_the_gradient_of_its_weights():
    model = network()
    plasticity, weights = held(model), dict(model.named_parameters())
    body = torch.optim.SGD(model[0].parameters(), LR)
    plasticity.add_gradient_(weights, body)
    assert all(p.grad is not None for p in model[0].parameters())
    assert all(p.grad is None for p in model[2].parameters())
    other = torch.optim.SGD(nn.Linear(1, 1).parameters(), LR)
    plasticity.add_gradient_(weights, other)
    expected = by_gradient(plasticity, model)
    for name, p in model[0].named_parameters(prefix="0"):
        torch.testing.assert_close(p.grad, expected[name])


def by_gradient(plasticity, model):
    weights = dict(model.named_parameters())
    found = torch.autograd.grad(plasticity.loss(weights), list(weights.values()))
    return dict(zip(weights, found, strict=True))


def test_a_distributed_model_is_held_by_the_names_of_the_module_inside(tmp_path):
    plain, wrapped = network(), network()
    meet = f"file://{tmp_path}/meet"
    torch.distributed.init_process_group("gloo", meet, rank=0, world_size=1)
    try:
        model = nn.parallel.DistributedDataParallel(wrapped)
        plasticity = held(wrapped)
        with pytest.raises(ValueError, match=r"which have 'module\.0\.weight': pass those of the"):
            plasticity.add_gradient_(dict(model.named_parameters()))
        for called, weights in ((model, wrapped), (plain, plain)):
            cross_entropy(called(data()[0]), data()[1]).backward()
            plasticity.add_gradient_(dict(weights.named_parameters()))
    finally:
        torch.distributed.destroy_process_group()
    for p, q in zip(wrapped.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(p.grad, q.grad)


def test_the_core_imports_no_trainer():
    """Neither transformers nor lightning needs to be installed."""
    program = (
        "import sys, wpl\n"
        "names = [getattr(wpl, name) for name in wpl.__all__]\n"
        "assert not {'transformers', 'lightning', 'peft'} & sys.modules.keys()\n"
    )
    code, printed = preloaded.execute(["python", "-c", program], ROOT / "src", os.environ)
    assert code == 0, printed
