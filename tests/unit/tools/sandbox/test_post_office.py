"""The post office signs, retries, duplicates, reorders and filters deliveries."""

import json
from datetime import timedelta

import pytest
import time_machine
from standardwebhooks import Webhook as StandardWebhook
from svix.webhooks import Webhook as SvixWebhook

from tests.support.sandbox.worlds import START, Receiver, a_consumer, a_simulation, advance
from tools.sandbox.webhooks import consumers, signing
from tools.sandbox.webhooks.model import Attempt, DeliveryState

# The time of each attempt, from the first one on (docs/codat.md, C34).
OFFSETS = [0, 5, 305, 2105, 9305, 27_305, 63_305, 99_305]


def emit(simulation, event_type="read.completed", about=None):
    return simulation.world.emit(event_type, {"n": 1}, about)


def offsets(receiver):
    return [round((at - START).total_seconds()) for at, _ in receiver.postings]


def test_a_message_is_tried_eight_times_over_28_hours_and_then_fails():
    receiver = Receiver(answer=500)
    simulation = a_simulation(receiver)
    a_consumer(simulation, "read.completed")
    emit(simulation)
    advance(simulation, 2 * 86_400)
    assert offsets(receiver) == OFFSETS
    assert next(iter(simulation.office.state.deliveries.values())).state is DeliveryState.FAILED


@pytest.mark.parametrize("answer", [200, 204, 299])
def test_any_2xx_is_a_success(answer):
    receiver = Receiver(answer)
    simulation = a_simulation(receiver)
    a_consumer(simulation, "read.completed")
    emit(simulation)
    advance(simulation, 86_400)
    assert len(receiver.postings) == 1


@pytest.mark.parametrize("answer", [None, 199, 301, 400, 401, 404, 410, 500])
def test_anything_else_is_tried_again(answer):
    receiver = Receiver(answer)
    simulation = a_simulation(receiver)
    a_consumer(simulation, "read.completed")
    emit(simulation)
    advance(simulation, 5)
    assert len(receiver.postings) == 2


def test_every_attempt_has_the_same_id_and_body_but_a_fresh_timestamp_and_signature():
    receiver = Receiver(answer=500)
    simulation = a_simulation(receiver)
    consumer = a_consumer(simulation, "read.completed")
    emit(simulation)
    advance(simulation, 400)
    assert len({posting.headers["webhook-id"] for _, posting in receiver.postings}) == 1
    assert len({posting.headers["webhook-signature"] for _, posting in receiver.postings}) == 3
    for at, posting in receiver.postings:
        with time_machine.travel(at, tick=False):
            for library in (StandardWebhook, SvixWebhook):
                library(consumer.secrets[0].value).verify(posting.body, posting.headers)


def test_the_delays_are_scaled():
    receiver = Receiver(answer=500)
    simulation = a_simulation(receiver, retry_scale=0.1)
    a_consumer(simulation, "read.completed")
    emit(simulation)
    advance(simulation, 86_400)
    assert offsets(receiver) == [round(offset / 10) for offset in OFFSETS]


def test_the_same_message_to_two_consumers_has_the_same_id_but_other_signatures():
    receiver = Receiver()
    simulation = a_simulation(receiver)
    a_consumer(simulation, "read.completed")
    a_consumer(simulation, "read.completed")
    emit(simulation)
    advance(simulation, 1)
    first, second = [posting.headers for _, posting in receiver.postings]
    assert first["webhook-id"] == second["webhook-id"]
    assert first["webhook-signature"] != second["webhook-signature"]


def test_a_consumer_gets_only_events_that_it_subscribes_to():
    receiver = Receiver()
    simulation = a_simulation(receiver)
    a_consumer(simulation, "read.completed")
    emit(simulation, "read.completed.initial")
    emit(simulation, "x.read.completed")
    emit(simulation)
    advance(simulation, 1)
    assert [event["eventType"] for event in receiver.events()] == ["read.completed"]


def test_a_disabled_consumer_gets_nothing_until_its_remaining_attempts_resume():
    receiver = Receiver(answer=500)
    simulation = a_simulation(receiver)
    consumer = a_consumer(simulation, "read.completed")
    emit(simulation)
    advance(simulation, 1)
    consumer.disabled = True
    missed = emit(simulation)
    advance(simulation, 86_400)
    assert len(receiver.postings) == 1
    receiver.answer = 200
    simulation.office.enable(consumer)
    advance(simulation, 1)
    assert len(receiver.postings) == 2
    assert missed.id not in {posting.headers["webhook-id"] for _, posting in receiver.postings}
    assert simulation.office.replay(consumer, START, even_delivered=False) == [missed.id]


def test_a_deleted_consumers_retries_are_dropped():
    receiver = Receiver(answer=500)
    simulation = a_simulation(receiver)
    consumer = a_consumer(simulation, "read.completed")
    emit(simulation)
    advance(simulation, 1)
    consumers.delete(simulation.office, consumer.id)
    advance(simulation, 86_400)
    assert len(receiver.postings) == 1


def test_after_a_rotation_both_secrets_sign_for_a_day():
    receiver = Receiver()
    simulation = a_simulation(receiver)
    consumer = a_consumer(simulation, "read.completed")
    signing.rotate(consumer, simulation.ids, simulation.now)
    new, old = [secret.value for secret in consumer.secrets]
    for wait in (86_399, 1):
        advance(simulation, wait)
        emit(simulation)
        advance(simulation, 0)
    during, after = receiver.postings
    assert len(during[1].headers["webhook-signature"].split()) == 2
    assert len(after[1].headers["webhook-signature"].split()) == 1
    with time_machine.travel(during[0], tick=False):
        StandardWebhook(old).verify(during[1].body, during[1].headers)
    with time_machine.travel(after[0], tick=False):
        StandardWebhook(new).verify(after[1].body, after[1].headers)


def test_a_tag_filter_lets_any_matching_tag_through_and_nothing_untagged():
    receiver = Receiver()
    simulation = a_simulation(receiver, companies=20)
    a_consumer(simulation, "company.created", companyTags=["region:uk", "x:y"])
    for company in simulation.world.state.companies.values():
        emit(simulation, "company.created", company)
    emit(simulation, "company.created")
    advance(simulation, 1)
    uk = [
        company
        for company in simulation.world.state.companies.values()
        if company.tags["region"] == "uk"
    ]
    assert len(receiver.postings) == len(uk) > 0


def test_duplicates_and_another_order_can_be_asked_for():
    receiver = Receiver()
    simulation = a_simulation(receiver)
    a_consumer(simulation, "read.completed")
    simulation.office.state.rules.duplicate_probability = 1
    simulation.office.state.rules.reorder = True
    sent = [emit(simulation).id for _ in range(20)]
    advance(simulation, 10)
    arrived = [posting.headers["webhook-id"] for _, posting in receiver.postings]
    assert sorted(arrived) == sorted(sent * 2)
    assert list(dict.fromkeys(arrived)) != sent


def test_an_endpoint_that_fails_for_five_days_is_disabled():
    receiver = Receiver(answer=500)
    simulation = a_simulation(receiver)
    consumer = a_consumer(simulation, "read.completed")
    for _ in range(6):
        emit(simulation)
        advance(simulation, 86_400)
    assert consumer.disabled


def test_events_are_kept_for_two_weeks():
    simulation = a_simulation()
    old = emit(simulation)
    advance(simulation, 14 * 86_400 + 1)
    new = emit(simulation)
    assert list(simulation.office.state.messages) == [new.id]
    assert old.id != new.id


def test_the_envelope_is_codats():
    simulation = a_simulation()
    body = json.loads(emit(simulation).body)
    assert list(body) == ["id", "eventType", "generatedDate", "payload"]
    assert body["generatedDate"] == "2026-07-01T09:00:00.0000000Z"
    assert simulation.now - START == timedelta(0)


def test_a_replayed_message_is_kept_beyond_two_weeks_while_it_is_on_its_way():
    receiver = Receiver(answer=500)
    simulation = a_simulation(receiver)
    consumer = a_consumer(simulation, "read.completed")
    emit(simulation)
    advance(simulation, 14 * 86_400 - 60)
    simulation.office.enable(
        consumer
    )  # two weeks of failures have disabled it, which this test is not about
    simulation.office.replay(consumer, START, even_delivered=True)
    advance(simulation, 61)
    emit(simulation, "other")
    advance(simulation, 2 * 86_400)
    assert len(receiver.postings) == 16


def test_a_message_on_its_way_is_kept_while_sandbox_time_runs_fast():
    receiver = Receiver(answer=500)
    simulation = a_simulation(receiver)
    a_consumer(simulation, "read.completed")
    emit(simulation)
    advance(simulation, 1)
    simulation.world.advance_to(
        simulation.world.now + timedelta(days=60)
    )  # without a move of real time
    emit(simulation, "other")
    receiver.answer = 200
    advance(simulation, 5)
    assert len(receiver.postings) == 2


def test_a_delivery_is_forgotten_with_its_message():
    simulation = a_simulation()
    a_consumer(simulation, "read.completed")
    emit(simulation)
    advance(simulation, 15 * 86_400)
    emit(simulation, "other")
    assert simulation.office.state.deliveries == {}


def test_events_are_kept_for_almost_two_weeks():
    simulation = a_simulation()
    old = emit(simulation)
    advance(simulation, 14 * 86_400 - 1)
    emit(simulation)
    assert old.id in simulation.office.state.messages


def test_a_message_that_cannot_be_signed_fails_alone():
    receiver = Receiver()
    simulation = a_simulation(receiver)
    a_consumer(simulation, "read.completed")
    bad, good = emit(simulation), emit(simulation)
    bad.body = "\ud83d"
    advance(simulation, 1)
    assert [posting.headers["webhook-id"] for _, posting in receiver.postings] == [good.id]
    states = [delivery.state for delivery in simulation.office.state.deliveries.values()]
    assert states == [DeliveryState.FAILED, DeliveryState.DELIVERED]


def test_a_consumer_that_hangs_leaves_places_for_the_others_and_goes_on_in_its_turn():
    simulation = a_simulation()
    slow, quick = (a_consumer(simulation, event_type) for event_type in ("slow", "quick"))
    slow.url = "https://slow.example"
    for _ in range(20):
        emit(simulation, "slow")
    emit(simulation, "quick")
    first = list(simulation.office.due())
    assert [posting.url for posting in first] == [slow.url] * 8 + [quick.url]
    assert simulation.office.next_due() is None  # nothing is due until an attempt is over
    simulation.office.report(first[0].delivery, Attempt(START, 200, 0.0))
    (ninth,) = simulation.office.due()
    assert ninth.delivery == first[7].delivery + 1
    simulation.office.put_back(ninth.delivery)
    assert len(list(simulation.office.due())) == 1


def test_a_replay_sends_messages_whose_attempts_all_failed_and_none_that_arrived():
    receiver = Receiver(answer=500)
    simulation = a_simulation(receiver)
    consumer = a_consumer(simulation, "read.completed")
    failed = emit(simulation)
    advance(simulation, 2 * 86_400)
    receiver.answer = 200
    emit(simulation)
    advance(simulation, 1)
    assert simulation.office.replay(consumer, START, even_delivered=False) == [failed.id]


def test_enabling_leaves_the_attempts_that_are_not_due_yet_at_their_time():
    receiver = Receiver(answer=500)
    simulation = a_simulation(receiver)
    consumer = a_consumer(simulation, "read.completed")
    emit(simulation)
    advance(simulation, 10)
    consumer.disabled = True
    advance(simulation, 10)
    simulation.office.enable(consumer)
    advance(simulation, 300)
    assert offsets(receiver) == OFFSETS[:3]


def test_a_second_rotation_does_not_prolong_the_first_secret():
    simulation = a_simulation()
    consumer = a_consumer(simulation, "read.completed")
    first = consumer.secrets[0].value
    signing.rotate(consumer, simulation.ids, START)
    signing.rotate(consumer, simulation.ids, START + timedelta(hours=23))
    later = START + timedelta(hours=24)
    assert first not in signing.valid_secrets(consumer, later)
    assert len(signing.valid_secrets(consumer, later)) == 2


def test_enabling_sends_deliveries_that_waited_for_their_place():
    simulation = a_simulation()
    consumer = a_consumer(simulation, "x")
    for _ in range(20):
        emit(simulation, "x")
    office = simulation.office
    under_way = list(office.due())
    office.enable(consumer)
    under_way += office.due()
    for _ in range(10):
        emit(simulation, "x")
    under_way += office.due()
    for posting in under_way:  # it grows during the loop
        office.report(posting.delivery, Attempt(START, 200, 0.0))
        under_way += office.due()
    states = [delivery.state for delivery in office.state.deliveries.values()]
    assert states == [DeliveryState.DELIVERED] * 30
