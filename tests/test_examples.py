"""The examples run as they stand there, and show what they are to show."""

import re
import runpy

from workspace import ROOT


def test_a_resnet_keeps_its_first_task_with_wpl(capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["resnet_two_tasks.py"])
    runpy.run_path(str(ROOT / "examples/resnet_two_tasks.py"), run_name="__main__")
    before, after, second, after_wpl, second_wpl = map(
        int, re.findall(r"(\d+) %", capsys.readouterr().out)
    )
    assert before > 80
    assert after < before - 20, "there is something to forget"
    assert after_wpl > before - 10, "WPL keeps it"
    assert min(second, second_wpl) > 75, "and the second task is learnt"
