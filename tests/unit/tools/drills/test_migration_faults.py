"""Each fault of the migration's drill reaches the client as Codat would send it."""

import httpx
import pytest

from tools.drills.migration.drill import new_world
from tools.drills.migration.injector import Injector
from tools.drills.migration.kinds import KINDS
from tools.drills.migration.rows import Call, Direction, Lasting, Row, Scope

SETTINGS = "/profile/syncSettings"
POST = Call(Direction.FORWARD, "step", "POST", SETTINGS)


@pytest.fixture
def world():
    made = new_world()
    made.direction, made.step = "apply", "step"
    yield made
    made.close()


def inject(world, kind, lasting=Lasting.ONCE, call=POST, scope=Scope.CLIENT, company=None):
    row = Row(call, KINDS[kind], lasting, scope, "api", company=company)
    injector = Injector(world, row, lambda company: None)
    injector.attach()
    injector.armed = True
    return injector


def send(world, method, path, key=None, body=None):
    world.invoked_at = world.now()  # in an invocation of its own
    headers = {"Authorization": world.key.current().authorization()}
    if key:
        headers["Idempotency-Key"] = key
    return world.http.request(method, f"http://localhost{path}", headers=headers, json=body)


def post(world, key, hours=12):
    settings = send(world, "GET", SETTINGS).json()
    settings["settings"][0]["syncSchedule"] = hours
    return send(world, "POST", SETTINGS, key, settings).status_code


def hours_of(world):
    return world.state.client_settings.settings[0].sync_schedule


@pytest.mark.parametrize("kind", ["400", "402", "403", "404", "408", "409", "500", "503"])
def test_codat_replays_an_answer_to_its_key_for_90_minutes(world, kind):
    inject(world, kind)
    status = int(kind)
    assert [post(world, "a"), post(world, "a")] == [status, status]
    assert hours_of(world) == 1
    world.pass_time(89 * 60)
    assert post(world, "a") == status
    world.pass_time(2 * 60)
    assert post(world, "a") == 204
    assert hours_of(world) == 12


def test_a_fresh_key_is_carried_out(world):
    inject(world, "503")
    assert [post(world, "a"), post(world, "b")] == [503, 204]


@pytest.mark.parametrize(
    ("kind", "said"), [("429", None), ("429-seconds", "600"), ("429-decimal", "600.5")]
)
def test_a_429_says_when_to_ask_again_and_frees_its_key(world, kind, said):
    inject(world, kind, call=Call(Direction.FORWARD, "step", "GET", SETTINGS))
    assert send(world, "GET", SETTINGS).headers.get("retry-after") == said
    inject(world, kind)
    assert [post(world, "a"), post(world, "a")] == [429, 204]


def test_a_refused_key_is_refused_before_the_idempotency_key_counts(world):
    inject(world, "401")
    assert [post(world, "a"), post(world, "a")] == [401, 204]


def test_a_rotated_key_is_refused_until_it_is_read_anew(world):
    inject(world, "401-rotated")
    assert [post(world, "a"), send(world, "GET", SETTINGS).status_code] == [401, 401]
    world.key.forget()
    assert post(world, "a") == 204


def test_a_403_can_be_a_page_of_html(world):
    inject(world, "403-html", call=Call(Direction.FORWARD, "step", "GET", SETTINGS))
    answer = send(world, "GET", SETTINGS)
    assert answer.status_code == 403
    assert answer.headers["content-type"] == "text/html"
    assert answer.text.startswith("<html>")


@pytest.mark.parametrize(("kind", "hours"), [("cut-before", 1), ("cut-after", 12)])
def test_a_cut_comes_before_or_after_the_effect(world, kind, hours):
    inject(world, kind)
    with pytest.raises(httpx.ReadError):
        post(world, "a")
    assert hours_of(world) == hours
    assert post(world, "a") == 204  # carried out now, or replayed


@pytest.mark.parametrize(("kind", "hours"), [("timeout-before", 1), ("timeout-after", 12)])
def test_a_timeout_takes_as_long_as_the_client_waits(world, kind, hours):
    inject(world, kind)
    began = world.now()
    with pytest.raises(httpx.ReadTimeout):
        post(world, "a")
    assert (world.now() - began).total_seconds() == pytest.approx(25, abs=1)
    assert hours_of(world) == hours


def test_a_second_try_meets_the_first_in_flight_then_its_answer(world):
    inject(world, "409-in-flight")
    with pytest.raises(httpx.ReadTimeout):
        post(world, "a")
    assert post(world, "a") == 409
    world.pass_time(30)
    seen = world.sandbox.requests.last
    assert post(world, "a") == 204
    assert world.sandbox.requests.after(seen)[-1]["replayed"]


class TestWhatIsStruck:
    def test_once(self, world):
        injector = inject(world, "500")
        assert [post(world, key) for key in "abc"] == [500, 204, 204]
        assert injector.struck == 1

    def test_for_an_hour(self, world):
        inject(world, "500", Lasting.OUTAGE)
        assert [post(world, key) for key in "ab"] == [500, 500]
        world.pass_time(61 * 60)
        assert post(world, "c") == 204

    def test_until_it_is_lifted(self, world):
        injector = inject(world, "500", Lasting.EVER)
        world.pass_time(20 * 3600)
        assert post(world, "a") == 500
        injector.lifted = True
        assert post(world, "b") == 204

    def test_not_before_its_step(self, world):
        injector = inject(world, "500", Lasting.EVER)
        world.step = "before"
        assert post(world, "a") == 204
        world.step = "step"
        assert post(world, "b") == 500
        world.step = "behind"
        assert post(world, "c") == 500
        assert injector.struck == 2

    def test_one_company_or_each(self, world):
        path = "/companies/{company}"
        call = Call(Direction.FORWARD, "step", "GET", path)

        def statuses():
            return [
                send(world, "GET", f"/companies/{one}").status_code for one in world.companies[:3]
            ]

        inject(world, "500", call=call, scope=Scope.ONE, company=world.companies[1])
        assert statuses() == [200, 500, 200]
        inject(world, "500", call=call, scope=Scope.ALL)
        assert [statuses(), statuses()] == [[500] * 3, [200] * 3]


def test_a_product_that_is_added_again_is_noted(world):
    injector = inject(world, "500", call=Call(Direction.FORWARD, "step", "PUT", "/none"))
    company = world.companies[0]
    path = f"/companies/{company}/products/cashflow-insights"
    world.state.companies[company].products.clear()
    send(world, "PUT", path)
    assert injector.twice == []
    send(world, "PUT", path)
    assert len(injector.twice) == 1
