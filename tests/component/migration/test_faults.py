"""A fault at every state, before and after what it does: fully migrated or fully restored.

Each case is one run of the real definition, use cases and client against the sandbox. The table of
all cases is printed by the last test (`pytest -s`, or the report of a failure).
"""

import collections
import itertools
import sys

import pytest

from codat_hub.codat.errors import OutcomeUnknown, Permanent
from codat_hub.errors import Superseded, Unavailable
from tests.support.migration.asl_walker import Failed
from tests.support.migration.world import HUB_URL, OPERATOR, PRODUCTS, World

CASES = collections.defaultdict(collections.Counter)
MODES = ("api", "portal")
UNDOS = ("add_products", "configure_new_webhooks", "disable_old_webhooks", "disable_client_sync")
# The errors of a task, as they reach the state machine.
KINDS = {
    "Codat refuses": Failed("Permanent", "refused"),
    "Lambda crashes": Failed("Lambda.Unknown", "exit"),
    "timeout": Failed("States.Timeout", "too long"),
    "table throttled": Failed("Unavailable", "throttled"),
    "permission denied": Failed("AccessDeniedException", "denied"),
}
FORWARD = (
    "plan", "survey", "finish_plan", "snapshot", "snapshot_companies", "compare_snapshot",
    "disable_client_sync", "disable_company_sync", "judge_company_sync", "begin_quiet",
    "wait_for_quiet", "judge_quiet", "disable_old_webhooks", "configure_new_webhooks",
    "begin_products", "add_products", "judge_products", "find_late_companies", "begin_reads",
    "verify_reads", "judge_reads", "complete",
)  # fmt: skip
BACKWARD = (
    "begin_rollback", "begin_removals", "add_products", "judge_products",
    "configure_new_webhooks", "disable_old_webhooks", "disable_client_sync",
    "disable_company_sync", "judge_company_sync", "finish",
)  # fmt: skip


def failing(step, direction, when, error, times=10**6):
    """Fail a step's first invocations, before or after their effect."""
    left = itertools.count(times, -1)

    def around(call, payload):
        if (payload["step"], payload["direction"]) != (step, direction) or next(left) <= 0:
            return call(payload)
        if when == "after":
            call(payload)
        raise error

    return around


def both(outer, inner):
    def around(call, payload):
        return outer(lambda given: inner(call, given), payload)

    return around


def check(world, before, run, table):
    """Check that the client is fully migrated or fully restored, as the ledger says."""
    CASES[table][run.status.value] += 1
    match run.status.value:
        case "complete":
            for company in world.state.companies.values():
                assert set(PRODUCTS) <= set(company.products)
            off = {setting["syncSchedule"] for setting in world.codat.client_settings()["settings"]}
            assert off == {0}
        case "rolled_back" | "failed":
            assert world.codat_now() == before
            entries = world.ledger.under(world.migration_id, "").items()
            assert not [name for name, entry in entries if entry.ours]
            assert run.error
        case other:
            pytest.fail(f"it ended {other}: {run.error}")


def test_the_lists_name_every_step_of_a_run():
    for mode in MODES:
        world, seen = World(), set()

        def note(call, payload, seen=seen):
            seen.add((payload["step"], payload["direction"]))
            return call(payload)

        world.around = note
        world.migrate(mode=mode)
        world.migrations.rollback(world.migration_id, OPERATOR)
        assert world.go().status == "rolled_back"
        seen.discard(("wait_for_person", "apply"))
        assert seen == {(step, "apply") for step in FORWARD} | {
            (step, "compensate") for step in BACKWARD
        }
        world.close()


@pytest.mark.parametrize(
    ("mode", "kind"), [("portal", "Codat refuses"), *(("api", kind) for kind in KINDS)]
)
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", FORWARD)
def test_a_fault_that_stays_ends_migrated_or_restored(worlds, environment, mode, when, kind, step):
    world = worlds()
    before = world.codat_now()
    world.around = failing(step, "apply", when, KINDS[kind])
    check(world, before, world.migrate(mode=mode), f"{step}, {when} its effect")


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", FORWARD)
def test_a_fault_that_passes_is_retried_and_the_run_completes(worlds, when, step):
    world = worlds()
    world.around = failing(step, "apply", when, KINDS["table throttled"], times=3)
    assert world.migrate().status == "complete"
    check(world, "", world.run, f"{step}, {when} its effect, passing")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", BACKWARD)
def test_an_undo_that_fails_calls_a_person_and_a_rerun_finishes(worlds, mode, when, step):
    world = worlds()
    before = world.codat_now()
    world.around = both(
        failing("judge_products", "apply", "before", KINDS["Codat refuses"]),
        failing(step, "compensate", when, KINDS["permission denied"]),
    )
    run = world.migrate(mode=mode)
    table = f"undo of {step}, {when} its effect"
    if run.status == "rollback_incomplete":
        assert "AccessDenied" in run.error
        CASES[table]["rollback_incomplete, then"] += 1
        world.around = lambda call, payload: call(payload)
        world.migrations.rollback(run.migration_id, OPERATOR)
        run = world.go()
    assert run.status == "rolled_back"
    check(world, before, run, table)


@pytest.mark.parametrize("waiting_for", ["approval", "webhooks_disabled", "signing_secret"])
def test_an_operator_that_never_answers(worlds, waiting_for):
    world = worlds()
    before = world.codat_now()
    world.operator = lambda what: what == waiting_for or world.willing(what)
    run = world.migrate(mode="portal")
    assert run.status == ("failed" if waiting_for == "approval" else "rolled_back")
    check(world, before, run, f"nobody answers {waiting_for}")


def test_an_operator_that_never_enables_the_old_webhooks(world):
    before = world.codat_now()
    world.operator = lambda what: what == "webhooks_restored" or world.willing(what)
    world.around = failing("judge_products", "apply", "before", KINDS["Codat refuses"])
    run = world.migrate(mode="portal")
    assert run.status == "rollback_incomplete"
    assert "States.Timeout" in run.error
    world.operator = world.willing
    world.migrations.rollback(run.migration_id, OPERATOR)
    check(world, before, world.go(), "nobody answers webhooks_restored, then rerun")


@pytest.mark.parametrize("step", FORWARD[6:])
def test_an_execution_aborted_by_hand_is_rolled_back_by_itself(worlds, step):
    world = worlds()
    before = world.codat_now()

    def around(call, payload):
        answer = call(payload)
        if (payload["step"], payload["direction"]) == (step, "apply"):
            world.executions.stop(world.migration_id, "by hand")
        return answer

    world.around = around
    run = world.migrate()
    # A run that is aborted while it looks for first reads is complete.
    done = step in {"judge_products", "find_late_companies", "begin_reads", "verify_reads"}
    done |= step in {"judge_reads", "complete"}
    assert run.status == ("complete" if done else "rolled_back")
    check(world, before, run, f"aborted after {step}")


def test_an_aborted_rollback_goes_on_by_itself(world):
    before = world.codat_now()
    aborted = []

    def around(call, payload):
        answer = call(payload)
        if (payload["step"], payload["direction"]) == ("configure_new_webhooks", "compensate"):
            aborted.append(world.run.execution)
            if len(aborted) == 1:
                world.executions.stop(world.run.execution, "by hand")
        return answer

    world.around = both(failing("judge_products", "apply", "before", KINDS["timeout"]), around)
    check(world, before, world.migrate(), "rollback aborted")
    assert len(aborted) == 2


def test_a_rollback_that_keeps_dying_calls_a_person(world):
    def around(call, payload):
        answer = call(payload)
        if payload["direction"] == "compensate":
            world.executions.stop(world.run.execution, "by hand")
        return answer

    world.around = both(failing("judge_products", "apply", "before", KINDS["timeout"]), around)
    run = world.migrate()
    assert run.status == "rollback_incomplete"
    assert run.attempts == 3


# --- every single call that changes something at Codat, and every write of the ledger -------------

WRITES = (
    "set_client_settings",
    "set_company_settings",
    "delete_consumer",
    "create_consumer",
    "add_product",
)


class Faulty:
    """A port whose n-th call fails, before or after its effect. Only calls of `names` count."""

    def __init__(self, inner, names, nth, when, error, *, until=lambda: False):
        self._inner, self._names, self._when, self._error = inner, names, when, error
        self._nth, self._until, self.calls = nth, until, 0
        self._broken = False

    def __getattr__(self, name):
        call = getattr(self._inner, name)
        if name not in self._names:
            return call

        def maybe(*args, **kwargs):
            if self._until():
                return call(*args, **kwargs)
            self.calls += 1
            if self._broken or self.calls == self._nth:
                if self._when == "after" and not self._broken:
                    call(*args, **kwargs)
                self._broken = self._error is not None
                raise self._error
            return call(*args, **kwargs)

        return maybe


def rolling_back(world):
    return lambda: world.run.status in {"rolling_back", "rolled_back"}


def entered_rollback(world):
    return lambda: any(one.startswith("BeginRollback") for one in world.so_far)


def calls_of(mode):
    world = World()
    world.codat = counting = Faulty(world.codat, WRITES, 0, "before", None)
    world.migrate(mode=mode)
    world.close()
    return counting.calls


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "error", [Permanent("refused"), OutcomeUnknown("no answer")], ids=["refused", "answer lost"]
)
def test_every_call_that_changes_codat_may_fail(worlds, environment, mode, when, error):
    for nth in range(1, calls_of(mode) + 1):
        world = worlds()
        before = world.codat_now()
        world.codat = Faulty(world.codat, WRITES, nth, when, error, until=rolling_back(world))
        kind = f"Codat call {type(error).__name__}, {when}"
        check(world, before, world.migrate(mode=mode), kind)


LEDGER_WRITES = ("first", "intend", "note", "put_tally", "change", "raise_epoch")


@pytest.mark.parametrize("when", ["before", "after"])
def test_every_write_of_the_ledger_may_fail(worlds, environment, when):
    counting = worlds()
    counting.ledger = Faulty(counting.ledger, LEDGER_WRITES, 0, "before", None)
    counting.migrate()
    # The two cases take turns: together they meet every write.
    for nth in range(1 if when == "before" else 2, counting.ledger.calls + 1, 2):
        world = worlds()
        before = world.codat_now()
        real = world.ledger
        world.ledger = Faulty(
            real, LEDGER_WRITES, nth, when, Unavailable("throttled"),
            until=entered_rollback(world),
        )  # fmt: skip
        run = world.migrate()
        world.ledger = real
        check(world, before, run, f"ledger write, {when}")


def test_a_product_that_was_added_just_before_the_function_died_is_ours(world):
    """The PUT succeeds and the function dies before it writes the outcome."""
    before = world.codat_now()
    world.codat = Faulty(
        world.codat, ("add_product",), 2, "after", RuntimeError("died"), until=rolling_back(world)
    )
    run = world.migrate()
    check(world, before, run, "PUT done, function died")
    removed = [
        e
        for e in world.ledger.under(run.migration_id, "PRODUCT#").values()
        if e.undone == "removed"
    ]
    assert sum(entry.outcome is None for entry in removed) == 1


def test_a_retry_after_a_function_died_completes(world):
    inner = world.codat
    died = []

    class DiesOnce:
        def __getattr__(self, name):
            return getattr(inner, name)

        def add_product(self, company, product):
            inner.add_product(company, product)
            if not died:
                died.append(product)
                raise OutcomeUnknown("died")

    world.codat = DiesOnce()
    assert world.migrate().status == "complete"
    world.migrations.rollback(world.migration_id, OPERATOR)
    world.codat = inner
    assert world.go().status == "rolled_back"
    assert not [e for e in world.ledger.under(world.migration_id, "PRODUCT#").values() if e.ours]


def test_a_function_that_wakes_up_after_the_undo_changes_nothing(world):
    """It stands still between two PUTs until a rollback is over, and then goes on."""
    before = world.codat_now()
    inner, woke = world.codat, []

    class StandsStill:
        def __getattr__(self, name):
            return getattr(inner, name)

        def add_product(self, company, product):
            inner.add_product(company, product)
            if not woke:
                woke.append(product)
                world.codat = inner
                world.migrations.rollback(world.migration_id, OPERATOR)
                world.walk(*world.executions.queue.pop(0))
                assert world.run.status == "rolled_back"
                assert world.codat_now() == before

    world.codat = StandsStill()
    world.migrate()
    assert woke
    assert world.codat_now() == before
    assert world.run.status == "rolled_back"


def test_an_old_epochs_intent_is_refused_by_the_ledger(world):
    world.migrate()
    epoch = world.ledger.raise_epoch(world.migration_id)
    with pytest.raises(Superseded, match=f"epoch {epoch - 1} is over"):
        world.ledger.intend(world.migration_id, epoch - 1, {})


# --- undo -----------------------------------------------------------------------------------------


def test_undo_of_something_never_done_succeeds_and_calls_nothing(world):
    in_the_middle = failing("disable_client_sync", "apply", "before", KINDS["Codat refuses"])
    world.around = in_the_middle
    world.migrate()
    seen = len(world.writes())
    for step in UNDOS:
        payload = {"contract": 1, "step": step, "direction": "compensate", "epoch": 9}
        payload |= {"migration_id": world.migration_id}
        if step == "add_products":
            payload["chunk"] = world.manifests.get(f"{world.migration_id}/plan.json")[0]
        assert world.step(payload)["next"] == "done"
    assert len(world.writes()) == seen


@pytest.mark.parametrize("mode", MODES)
def test_every_undo_run_twice_changes_nothing_the_second_time(worlds, mode):
    world = worlds()

    def twice(call, payload):
        answer = call(payload)
        if payload["direction"] == "compensate" and payload["step"] in {
            *UNDOS,
            "disable_company_sync",
        }:
            seen = len(world.writes())
            again = call(payload)
            assert len(world.writes()) == seen, payload["step"]
            assert again["next"] == answer["next"]
        return answer

    world.migrate(mode=mode)
    world.around = twice
    world.migrations.rollback(world.migration_id, OPERATOR)
    assert world.go().status == "rolled_back"


def test_a_404_on_a_removal_counts_only_if_the_company_says_so(world):
    """Codat does not say what a 404 means here (docs/codat.md, C57)."""
    before = world.codat_now()
    world.migrate()
    fault = {"path": "/products/invoice-finance", "method": "DELETE", "status": 404, "times": 1}
    world.portal_call("/faults", fault)
    world.migrations.rollback(world.migration_id, OPERATOR)
    run = world.go()
    assert run.status == "rollback_incomplete"
    assert "still there, though Codat answered 404" in run.error
    world.migrations.rollback(world.migration_id, OPERATOR)
    assert world.go().status == "rolled_back"
    assert world.codat_now() == before


ACTIVITIES = {
    "disable_company_sync": ("settings",),
    "judge_quiet": ("settings",),
    "disable_old_webhooks": ("old consumers", "settings"),
    "configure_new_webhooks": ("new consumers", "old consumers", "settings"),
    "judge_products": ("products", "new consumers", "old consumers", "settings"),
}


@pytest.mark.parametrize("step", ACTIVITIES)
def test_the_rollback_has_the_order_of_the_guide_after_a_failure_at_each_activity(worlds, step):
    world = worlds()
    when = "before" if step in {"judge_quiet", "judge_products"} else "after"
    world.around = failing(step, "apply", when, KINDS["Codat refuses"])
    forward = []

    def mark(call, payload):
        if payload["step"] == "begin_rollback" and not forward:
            forward.append(len(world.writes()))
        return call(payload)

    world.around = both(mark, world.around)
    assert world.migrate().status == "rolled_back"
    undone = [what(write) for write in world.writes()[forward[0] :]]
    assert tuple(dict.fromkeys(undone)) == ACTIVITIES[step]


def what(write):
    method, path = write.split()
    if path.endswith("/syncSettings"):
        return "settings"
    if "/products/" in path:
        return "products"
    return "new consumers" if method == "DELETE" else "old consumers"


def test_settings_are_restored_for_the_client_first_then_for_companies(worlds):
    world = worlds(companies=12)
    world.migrate()
    seen = len(world.writes())
    world.migrations.rollback(world.migration_id, OPERATOR)
    world.go()
    posts = [write for write in world.writes()[seen:] if write.endswith("/syncSettings")]
    assert posts[0] == "POST /profile/syncSettings"
    assert len(posts) == 3


def test_consumer_settings_that_the_api_cannot_restore_are_listed(world):
    ids = {consumer.consumer_id for consumer in world.codat.consumers()}
    world.migrate(mode="api")
    world.migrations.rollback(world.migration_id, OPERATOR)
    run = world.go()
    assert not ids & {consumer.consumer_id for consumer in world.codat.consumers()}
    notes = [note for note in run.notes if "was made again as" in note]
    assert len(notes) == 2
    assert all("another signing secret" in note for note in notes)
    assert not any("secrets add" in note for note in notes)  # neither posts to the hub


def test_the_notes_ask_for_the_new_secret_of_a_consumer_that_posts_to_the_hub(world):
    world.codat.create_consumer(f"{HUB_URL}/platform", ["read.completed"], [], "key")
    world.migrate(mode="api")
    world.migrations.rollback(world.migration_id, OPERATOR)
    assert "tools/hub secrets add platform" in " ".join(world.go().notes)


class TestOnDemand:
    def test_a_complete_run_is_rolled_back_and_the_execution_succeeds(self, world):
        before = world.codat_now()
        run = world.migrate()
        world.migrations.rollback(run.migration_id, OPERATOR)
        run = world.go()
        check(world, before, run, "on demand")
        assert world.ends[run.execution] == "SUCCEEDED"

    def test_it_stops_with_a_report_if_codat_was_changed_since(self, world):
        world.migrate()
        world.state.client_settings.settings[0].sync_schedule = 12
        world.migrations.rollback(world.migration_id, OPERATOR)
        run = world.go()
        assert run.status == "complete"
        assert "payments: " in run.error
        assert world.state.client_settings.settings[0].sync_schedule == 12
        world.migrations.rollback(world.migration_id, OPERATOR, forced=True)
        assert world.go().status == "rolled_back"
        assert world.state.client_settings.settings[0].sync_schedule == 1

    def test_a_run_that_waits_is_stopped_and_rolled_back(self, world):
        before = world.codat_now()

        def operator(waiting_for):
            if waiting_for == "signing_secret":
                world.migrations.rollback(world.migration_id, OPERATOR)
            else:
                world.willing(waiting_for)

        world.operator = operator
        run = world.migrate()
        assert world.ends[run.migration_id] == "ABORTED"
        check(world, before, run, "on demand, while it waits")


def test_products_that_companies_had_before_are_still_there(world):
    had = {company.id: set(company.products) for company in world.state.companies.values()}
    world.migrate()
    world.migrations.rollback(world.migration_id, OPERATOR)
    world.go()
    assert {company.id: set(company.products) for company in world.state.companies.values()} == had
    assert any(had.values())


@pytest.fixture(scope="module", autouse=True)
def table_of_cases():
    """Print the table after the last case of this process."""
    yield
    lines = [f"{'fault':<58} cases  ended"]
    for name, ended in sorted(CASES.items()):
        said = ", ".join(f"{status} {count}" for status, count in sorted(ended.items()))
        lines.append(f"{name:<58} {sum(ended.values()):>5}  {said}")
    total = sum(sum(case.values()) for case in CASES.values())
    lines.append(f"{'all':<58} {total:>5}")
    sys.stdout.write("\n" + "\n".join(lines) + "\n")
