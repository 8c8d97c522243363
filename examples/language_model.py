"""Use WPL with Hugging Face's Trainer: a model is fine-tuned on a text without forgetting another.

The small language model of characters is trained on Python's manual first, then on the names of
Unicode characters. With ``--lora``, only adapters are trained, after a short training of the base
model on the manual. Needs transformers, accelerate and, for LoRA, peft:
``pip install wpl[transformers]``.
"""

import argparse
import tempfile
import unicodedata
from pydoc_data.topics import topics

import torch
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments, set_seed

import wpl
from wpl.integrations.transformers import PlasticityCallback

LETTERS = 128  # of ASCII
LENGTH = 48


def texts(text):
    """Split a text into training and test sequences of characters."""
    codes = torch.tensor([min(ord(letter), LETTERS - 1) for letter in text])
    rows = codes[: len(codes) // LENGTH * LENGTH].reshape(-1, LENGTH)
    rows = rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))][:1100]
    examples = [{"input_ids": row, "labels": row} for row in rows]
    return examples[100:], examples[:100]


def batches(examples):
    """Collate examples into batches for an estimate, as the Trainer does for training."""
    for start in range(0, len(examples), 50):
        rows = torch.stack([one["input_ids"] for one in examples[start : start + 50]])
        yield {"input_ids": rows, "labels": rows}


def train(model, examples, steps, lr, callbacks=()):
    """Train a model for some steps."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            max_steps=steps,
            learning_rate=lr,
            per_device_train_batch_size=16,
            lr_scheduler_type="constant",
            save_strategy="no",
            logging_strategy="no",
            report_to="none",
            disable_tqdm=True,
            use_cpu=True,
        )
        Trainer(model, arguments, train_dataset=examples, callbacks=[*callbacks]).train()


@torch.no_grad()
def perplexity(model, examples):
    """Compute the perplexity per character."""
    model.eval()
    losses = [model(**batch).loss for batch in batches(examples)]
    return float(torch.stack(losses).mean().exp())


def adapted(model):
    """Freeze a model and add LoRA adapters to it."""
    from peft import LoraConfig, get_peft_model  # noqa: PLC0415 - needed with --lora only

    targets = ["c_attn", "c_fc", "c_proj"]
    return get_peft_model(model, LoraConfig(r=8, target_modules=targets, fan_in_fan_out=True))


def main():
    """Print the perplexity of both texts before and after the second, without and with WPL."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=300, help="for the first text")
    parser.add_argument("--more-steps", type=int, default=150, help="for the second")
    parser.add_argument("--alpha", type=float, help="by default 2e4, and 5e3 with --lora")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--lora", action="store_true", help="train adapters only")
    options = parser.parse_args()

    set_seed(2 * options.seed)
    manual, manual_test = texts("\n".join(topics.values()))
    names, names_test = texts("\n".join(unicodedata.name(chr(code), "") for code in range(2**14)))
    model = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=LETTERS,
            n_positions=LENGTH,
            n_embd=96,
            n_layer=2,
            n_head=4,
            bos_token_id=None,
            eos_token_id=None,
        )
    )
    lr, lower, alpha = 3e-3, 1e-3, 2e4
    if options.lora:
        train(model, manual[:200], options.steps // 4, lr)  # the base model
        model, lower, alpha = adapted(model), lr, 5e3
    train(model, manual, options.steps, lr)

    def report(when):
        scores = (perplexity(model, test) for test in (manual_test, names_test))
        print("manual: {:.1f}, names: {:.1f}".format(*scores), when)

    report("before the names")

    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    fisher = wpl.diagonal_fisher(model, batches(manual[:500]), per="token")
    alpha = alpha if options.alpha is None else options.alpha
    callback = PlasticityCallback(wpl.WeightPlasticity(trained, fisher, alpha))
    before = {name: p.detach().clone() for name, p in trained.items()}
    for arm, callbacks in (("without", []), ("with", [callback])):
        set_seed(2 * options.seed + 1)
        model.load_state_dict(before, strict=False)
        train(model, names, options.more_steps, lower, callbacks)
        report(f"after the names {arm} WPL")


if __name__ == "__main__":
    main()
