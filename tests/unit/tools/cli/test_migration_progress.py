"""A watch shows a migration's progress: by the plan first, then by its own measurement."""

import pytest

from tools.cli.terminal.migration_progress import Progress

PLAN = {
    "calls": 1000,
    "calls_seconds": 200,  # so 5 a second
    "wait_seconds": 7200,
    "steps": [{"step": "add_products", "calls": 600}],
}


class Watch:
    """A watch of a migration in one step, with its own clock."""

    def __init__(self, step="add_products", plan=PLAN):
        self.at, self.step, self.plan = 100.0, step, plan
        self.progress = Progress(lambda: self.at)

    def sees(self, done, chunks, of_chunks=10, *, phase=None, after=0.0, skipped=0, still_open=0):
        self.at += after
        counts = {"done": done, "skipped": skipped, "failed": 0, "open": still_open}
        counts |= {"chunks": chunks, "of_chunks": of_chunks}
        return self.line(counts={phase or self.step: counts})

    def line(self, **facts):
        found = {"status": "running", "step": self.step, "plan": self.plan, "counts": {}}
        return self.progress.line(found | facts)


def test_until_something_is_measured_the_plan_says_how_long():
    watch = Watch()
    # 8 of 10 chunks of 600 calls at 5 a second: 96 s
    assert watch.sees(50, 2).endswith("; by the plan about 1 min left, at 5 calls a second")
    assert "by the plan" in watch.sees(50, 2, after=5)


def test_then_it_shows_the_rate_since_it_first_saw_the_phase():
    watch = Watch()
    watch.sees(50, 2)
    line = watch.sees(80, 4, after=20, skipped=10)
    assert line == (
        "running, add products: 80 done, 10 skipped, 0 failed (4 of 10 chunks); "
        "2 a second, about 1 min left"
    )
    # work done before the first look does not count
    assert "; 38 a minute, about 2 min left" in watch.sees(90, 5, after=60, skipped=10)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (100, "; 15 a minute, about 15 min left"),
        (10, "; 2.5 a second, about 1 min left"),
        (1, "; 25 a second, about 9 s left"),
    ],
)
def test_a_rate_is_shown_in_a_readable_unit(seconds, text):
    watch = Watch()
    watch.sees(0, 0)
    assert watch.sees(25, 1, after=seconds).endswith(text)


def test_a_line_changes_only_when_something_was_done():
    watch = Watch()
    watch.sees(0, 0)
    line = watch.sees(25, 1, after=10)
    assert watch.sees(25, 1, after=10) == line
    assert watch.sees(50, 2, after=10) != line


def test_another_phase_is_measured_by_itself():
    watch = Watch()
    watch.sees(0, 0)
    watch.sees(100, 10, after=10)
    watch.step = "verify_reads"
    assert watch.sees(0, 0, after=1000).endswith("(0 of 10 chunks)")
    assert "10 a second, about 9 s left" in watch.sees(10, 1, after=1)


def test_a_phase_that_runs_again_is_measured_again():
    watch = Watch("snapshot")
    watch.sees(0, 0)
    watch.sees(100, 10, after=10)
    assert watch.sees(0, 0, after=60).endswith("(0 of 10 chunks)")
    assert "; 20 a second, about 9 s left" in watch.sees(20, 1, after=1)


@pytest.mark.parametrize(("chunks", "of_chunks"), [(10, 10), (12, 10)])
def test_when_nothing_is_left_no_time_is_shown(chunks, of_chunks):
    watch = Watch()
    watch.sees(0, 0, of_chunks)
    line = watch.sees(100, chunks, of_chunks, after=10, still_open=3)
    assert line.endswith(f"3 open ({chunks} of {of_chunks} chunks); 10 a second")
    assert "by the plan" not in Watch().sees(100, chunks, of_chunks)


@pytest.mark.parametrize(
    ("step", "phase"),
    [
        ("plan", "survey"),
        ("disable_client_sync", "disable_company_sync"),
        ("reenable_client_sync", "reenable_company_sync"),
        ("remove_products", "remove_products"),
    ],
)
def test_a_steps_counts_are_found_under_its_phase_and_need_no_plan(step, phase):
    watch = Watch(step, plan=None)
    assert watch.sees(5, 1, phase=phase).endswith("5 done, 0 skipped, 0 failed (1 of 10 chunks)")
    assert "10 a second" in watch.sees(15, 2, phase=phase, after=1)


def test_before_the_first_look_for_quiet_it_says_how_long_the_plan_waits():
    assert Watch("wait_for_quiet").line() == "running, wait for quiet: first look after 2 h"
    assert Watch("configure_new_webhooks").line() == "running, configure new webhooks"


def test_a_wait_for_a_person_comes_before_any_figure():
    line = Watch().line(
        status="waiting", waiting_for="signing_secret", waiting_since="2026-11-22T10:00:00Z"
    )
    assert line.startswith("waiting, add products: waits for signing secret since 2026-11-22 ")


def test_a_wait_for_codat_says_why():
    why = "Codat, since 22 November 10:15 UTC: HTTP 503"
    assert Watch().line(waits_for=why) == f"running, add products: waits for {why}"
