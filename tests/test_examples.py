"""The examples run, and show that WPL retains the first task."""

import re
import runpy
import subprocess
import sys
from math import log

import pytest
from workspace import ROOT


def test_a_resnet_retains_its_first_task_with_wpl(capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["resnet_two_tasks.py"])
    runpy.run_path(str(ROOT / "examples/resnet_two_tasks.py"), run_name="__main__")
    before, after, second, after_wpl, second_wpl = map(
        int, re.findall(r"(\d+) %", capsys.readouterr().out)
    )
    assert before > 85
    assert after < before - 30, "there is something to forget"
    assert before - after_wpl < 0.4 * (before - after), "WPL retains most of it"
    assert second > 85
    assert second_wpl > second - 5, "and the second task is learnt"


def numbers(script, *options):
    """Run an example in a process of its own, as trainers change global settings.

    Returns:
        The scores of the first and the second task: before the second, after it without WPL, and
        after it with WPL.
    """
    command = [sys.executable, ROOT / "examples" / script, *options]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    lines = [line for line in printed.splitlines() if "WPL" in line or "before" in line]
    return [[float(number) for number in re.findall(r"\d+(?:\.\d+)?", line)] for line in lines]


def test_an_image_classifier_retains_its_first_images_with_lightning():
    pytest.importorskip("lightning")
    (before, unknown), (after, new), (after_wpl, new_wpl) = numbers("image_classifier.py")
    assert before > 90
    assert after < before - 30, "there is something to forget"
    assert new > unknown + 60, "and something to learn"
    assert before - after_wpl < 0.4 * (before - after)
    assert new_wpl > new - 8


SHORTER = ["--steps", "150", "--more-steps", "75"]


@pytest.mark.parametrize("options", [[], ["--lora"]])
def test_a_language_model_retains_its_first_text_with_hugging_face(options):
    """What is forgotten and learnt are differences of the loss, the logarithm of the perplexity.

    Over three seeds and three instruction sets, 0.9 to 1.9 nats are forgotten without WPL, and WPL
    leaves 33 to 58 % of them.
    """
    pytest.importorskip("peft" if options else "transformers")
    losses = [list(map(log, pair)) for pair in numbers("language_model.py", *SHORTER, *options)]
    (before, unknown), (after, new), (after_wpl, new_wpl) = losses
    assert before < log(20)
    assert after > before + 0.6, "there is something to forget"
    assert new < unknown - 1, "and something to learn"
    assert after_wpl - before < 0.75 * (after - before)
    assert unknown - new_wpl > 0.85 * (unknown - new)
