"""The examples run, and show that WPL retains the first task."""

import re
import runpy
import subprocess
import sys

import pytest
from workspace import ROOT


def test_a_resnet_retains_its_first_task_with_wpl(capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["resnet_two_tasks.py"])
    runpy.run_path(str(ROOT / "examples/resnet_two_tasks.py"), run_name="__main__")
    before, after, second, after_wpl, second_wpl = map(
        int, re.findall(r"(\d+) %", capsys.readouterr().out)
    )
    assert before > 80
    assert after < before - 20, "there is something to forget"
    assert after_wpl > before - 20, "WPL retains most of it"
    assert min(second, second_wpl) > 75, "and the second task is learnt"


def numbers(script, *options):
    """Run an example in a process of its own, as trainers change global settings.

    Returns:
        The numbers that it prints.
    """
    command = [sys.executable, ROOT / "examples" / script, *options]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    lines = [line for line in printed.splitlines() if "WPL" in line or "before" in line]
    return [float(number) for number in re.findall(r"\d+(?:\.\d+)?", " ".join(lines))]


def test_an_image_classifier_retains_its_first_images_with_lightning():
    pytest.importorskip("lightning")
    before, after, new, after_wpl, new_wpl = numbers("image_classifier.py")
    assert before > 90
    assert after < 40, "there is something to forget"
    assert after_wpl > after + 30
    assert min(new, new_wpl) > 75


@pytest.mark.parametrize("options", [[], ["--lora"]])
def test_a_language_model_retains_its_first_text_with_hugging_face(options):
    """The perplexity of the first text rises far less with WPL, and the second text is learnt."""
    pytest.importorskip("peft" if options else "transformers")
    before, after, new, after_wpl, new_wpl = numbers("language_model.py", *options)
    assert before < 20
    assert after > 3 * before, "there is something to forget"
    assert after_wpl / before < (after / before) ** 0.6
    assert new_wpl < 1.5 * new
