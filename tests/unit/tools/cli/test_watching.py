"""A watch prints each change; Ctrl-C says that the hub goes on and how to come back."""

import pytest

from tools.cli.failures import Interrupted
from tools.cli.terminal import watching
from tools.cli.terminal.output import Output


@pytest.fixture
def pauses(monkeypatch):
    lengths = []
    monkeypatch.setattr(watching, "pause", lengths.append)
    return lengths


def watched(states):
    left = iter(states)
    return watching.watch(
        Output(as_json=True),
        lambda: next(left),
        over=lambda state: state["status"] == "done",
        progress=lambda state: state["status"],
        again="tools/hub x show 1",
    )


def test_it_ends_with_the_last_state_and_each_change_is_one_line(pauses, capsys):
    states = [{"status": status} for status in ("queued", "queued", "running", "running", "done")]
    assert watched(states) == {"status": "done"}
    printed = capsys.readouterr()
    assert printed.err.split() == ["queued", "running"]
    assert printed.out == ""
    assert len(pauses) == 4


def test_a_time_that_only_grows_older_is_not_a_change(pauses, capsys):
    at = ["(now)", "(1 s ago)", "(2 min ago)", "(3 days ago)", "(in 2 h)"]
    watched(
        [{"status": f"waits since 2026-11-22 16:58 {age}"} for age in at] + [{"status": "done"}]
    )
    assert capsys.readouterr().err == "waits since 2026-11-22 16:58 (now)\n"


def test_the_pauses_grow_with_the_time_watched(pauses):
    watched([{"status": "running"}] * 40 + [{"status": "done"}])
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (0.5, 5.0)


def test_ctrl_c_says_what_goes_on_and_how_to_come_back(monkeypatch):
    def interrupt(_seconds):
        raise KeyboardInterrupt

    monkeypatch.setattr(watching, "pause", interrupt)
    with pytest.raises(Interrupted, match="goes on by itself") as raised:
        watched([{"status": "running"}])
    assert raised.value.code == 130
    assert raised.value.hint == "To come back: tools/hub x show 1"
