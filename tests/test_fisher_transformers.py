"""Hugging Face models without changes: F is computed from their own loss."""

import pytest
import torch
import torch.nn.functional as F

import wpl

transformers = pytest.importorskip("transformers")
WORDS, SAMPLES, TIME, LABELS = 11, 4, 6, 3
HIDDEN = {"labels": -100}
SIZES = {"vocab_size": WORDS, "hidden_size": 8, "num_attention_heads": 2, "num_hidden_layers": 1}


def build(name, **config):
    """Make a tiny model with large random weights, so that its losses differ."""
    torch.manual_seed(0)
    kind = getattr(transformers, f"{name.split('For')[0].split('LMHead')[0]}Config")
    model = getattr(transformers, name)(kind(**config)).double().eval()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.3 * torch.randn_like(p))
    return model


def words(*shape):
    generator = torch.Generator().manual_seed(1)
    return torch.randint(1, WORDS, shape or (SAMPLES, TIME), generator=generator)


def padded():
    """Return texts of different lengths, padded on the right, with labels that mask the padding."""
    lengths = torch.tensor([TIME, 3, TIME, 4])
    mask = (torch.arange(TIME) < lengths[:, None]).long()
    return transformers.BatchEncoding(
        {
            "input_ids": words() * mask,
            "attention_mask": mask,
            "labels": words().masked_fill(mask == 0, -100),
        }
    )


GPT2 = {"vocab_size": WORDS, "n_embd": 8, "n_head": 2, "n_layer": 1, "n_positions": 8}
LLAMA = SIZES | {"intermediate_size": 8, "max_position_embeddings": 8}
BERT = SIZES | {"intermediate_size": 8, "max_position_embeddings": 8}
T5 = {"vocab_size": WORDS, "d_model": 8, "d_kv": 4, "d_ff": 8, "num_layers": 1, "num_heads": 2}
VIT = {"hidden_size": 8, "num_attention_heads": 2, "num_hidden_layers": 1, "intermediate_size": 8}
VIT |= {"image_size": 4, "patch_size": 2, "num_labels": LABELS}


def pixels():
    return {
        "pixel_values": torch.randn(SAMPLES, 3, 4, 4).double(),
        "labels": torch.arange(4) % LABELS,
    }


MODELS = {
    "GPT2LMHeadModel": (GPT2, padded),
    "LlamaForCausalLM": (LLAMA, padded),
    "BertForMaskedLM": (BERT, padded),
    "BertForTokenClassification": (BERT | {"num_labels": WORDS}, padded),
    "BertForSequenceClassification": (
        BERT | {"num_labels": LABELS},
        lambda: {**padded(), "labels": torch.arange(SAMPLES) % LABELS},
    ),
    "T5ForConditionalGeneration": (T5 | {"decoder_start_token_id": 0}, padded),
    "ViTForImageClassification": (VIT, pixels),
}


def losses(model, batch):
    """Compute the summed loss of each sample alone, and check it against the mean of the model."""
    ahead = type(model).__name__ in {"GPT2LMHeadModel", "LlamaForCausalLM"}
    for n in range(SAMPLES):
        alone = {name: t[n : n + 1] for name, t in batch.items()}
        result, labels = model(**alone), alone["labels"]
        logits = result.logits[:, :-1] if ahead else result.logits
        labels = (labels[:, 1:] if ahead else labels).flatten()
        loss = F.cross_entropy(logits.reshape(len(labels), -1), labels, reduction="sum")
        mean = loss / (labels != HIDDEN["labels"]).sum()
        torch.testing.assert_close(mean.float(), result.loss.float(), rtol=1e-5, atol=0)
        yield loss


@pytest.mark.parametrize("name", MODELS)
def test_a_batch_is_accepted_without_changes(name):
    config, batch = MODELS[name]
    model, batch = build(name, **config), batch()
    named = {n: p for n, p in model.named_parameters() if p.requires_grad}
    expected = {n: torch.zeros_like(p) for n, p in named.items()}
    for loss in losses(model, batch):
        found = torch.autograd.grad(loss, list(named.values()), allow_unused=True)
        for key, g in zip(named, found, strict=True):
            if g is not None:
                expected[key] += g.square() / SAMPLES
    used = [key for key, f in expected.items() if f.any()]
    fisher = wpl.diagonal_fisher(model, [batch], parameters=used)
    assert fisher.samples == SAMPLES
    for key, f in fisher.items():
        torch.testing.assert_close(f, expected[key], rtol=1e-8, atol=1e-14)


def test_padding_does_not_count():
    """More padding changes nothing, for a kind that uses no labels."""
    model, batch = build("GPT2LMHeadModel", **GPT2), padded()
    wider = {name: F.pad(t, (0, 2), value=HIDDEN.get(name, 0)) for name, t in batch.items()}
    found = [wpl.diagonal_fisher(model, [data], kind="exact") for data in (batch, wider)]
    for name, f in found[0].items():
        torch.testing.assert_close(found[1][name], f, rtol=1e-8, atol=1e-14)


def test_a_question_answering_model_needs_a_loss():
    model = build("BertForQuestionAnswering", **BERT)
    batch = dict(padded())
    del batch["labels"]
    ends = {"start_positions": [0, 1, 2, 1], "end_positions": [3, 2, 4, 2]}
    batch |= {name: torch.tensor(positions) for name, positions in ends.items()}
    with pytest.raises(ValueError, match=r"without logits.* for anything else give loss="):
        wpl.diagonal_fisher(model, [batch])
    found = wpl.diagonal_fisher(model, [batch], loss=lambda outputs, _: outputs.loss)
    named = dict(model.named_parameters())
    expected = {name: torch.zeros_like(p) for name, p in named.items()}
    for n in range(SAMPLES):
        loss = model(**{name: t[n : n + 1] for name, t in batch.items()}).loss
        for name, g in zip(named, torch.autograd.grad(loss, list(named.values())), strict=True):
            expected[name] += g.square() / SAMPLES
    for name, f in found.items():
        torch.testing.assert_close(f, expected[name], rtol=1e-8, atol=1e-14)
    assert found.likelihood == "loss"


def test_a_loss_that_is_not_a_likelihood_of_the_labels_is_refused():
    model = build("GPT2LMHeadModel", **GPT2)
    model.loss_function = lambda logits, labels, **_: logits.square().mean()
    with pytest.raises(ValueError, match="neither that of the labels at their positions nor"):
        wpl.diagonal_fisher(model, [padded()])


def test_padding_without_labels_is_refused():
    batch = dict(padded())
    del batch["labels"]
    with pytest.raises(ValueError, match=r"padding \(attention_mask\) and no labels"):
        wpl.diagonal_fisher(build("GPT2LMHeadModel", **GPT2), [batch], kind="mc")


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated")
def test_adapters_only():
    """With LoRA, F and the anchor have the adapters only, with the names in the wrapped model."""
    peft = pytest.importorskip("peft")
    model = build("GPT2LMHeadModel", **GPT2)
    config = peft.LoraConfig(r=2, target_modules=["c_attn"], fan_in_fan_out=True)
    model = peft.get_peft_model(model, config)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if "lora_" in name:
                p.copy_(torch.randn_like(p))
    model.double().eval()
    batch = padded()
    named = {name: p for name, p in model.named_parameters() if p.requires_grad}
    assert all("lora_" in name for name in named)
    fisher = wpl.diagonal_fisher(model, [batch])
    assert list(fisher) == list(named)
    expected = {name: torch.zeros_like(p) for name, p in named.items()}
    for n in range(SAMPLES):
        alone = {name: t[n : n + 1] for name, t in batch.items()}
        logits, labels = model(**alone).logits[0, :-1], alone["labels"][0, 1:]
        loss = F.cross_entropy(logits, labels, reduction="sum")
        for name, g in zip(named, torch.autograd.grad(loss, list(named.values())), strict=True):
            expected[name] += g.square() / SAMPLES
    for name, f in fisher.items():
        torch.testing.assert_close(f, expected[name], rtol=1e-8, atol=1e-14)
    plasticity = wpl.WeightPlasticity(named, fisher, 10.0)
    assert plasticity.loss(dict(model.named_parameters())) == 0
