"""The ports of a migration in memory."""

import json

from codat_hub.codat.errors import NotFound
from codat_hub.migration.domain.chunk import ListedCompany
from codat_hub.migration.domain.consumers import Consumer
from codat_hub.product_events.domain.read_state import ReadState
from codat_hub.webhooks.fingerprint import fingerprint


def settings(*hours, counts=True):
    """Return sync settings with one schedule for each data type: t0, t1 and so on."""
    entries = [
        {"dataType": f"t{number}", "syncSchedule": schedule, "fetchOnFirstLink": True}
        for number, schedule in enumerate(hours)
    ]
    return {"settings": entries, "overridesDefaults": counts}


class FakeCodat:
    """Codat in memory.

    changes: the calls that change something, in order
    failing: the exception that a call raises, by its name
    deaf: calls that answer as usual and change nothing
    """

    PAGE = 2

    def __init__(self):
        self.client = settings(24, 0)
        self.companies, self.levels, self.running, self.hooks = {}, {}, {}, []
        self.changes, self.failing, self.deaf = [], {}, set()

    def _takes_effect(self, call, *facts):
        if call in self.failing:
            raise self.failing[call]
        self.changes.append((call, *facts))
        return call not in self.deaf

    def companies_page(self, page):
        listed = list(self.companies.values())
        begin = (page - 1) * self.PAGE
        return listed[begin : begin + self.PAGE], begin + self.PAGE < len(listed)

    def delete(self, company_id):
        """Delete a company: from now on Codat answers 404 for it and for its settings."""
        self.companies.pop(company_id, None)
        self.levels.pop(company_id, None)

    def company(self, company_id):
        return self.companies.get(company_id)

    def client_settings(self):
        return self.client

    def set_client_settings(self, wanted, key):
        if self._takes_effect("set_client_settings"):
            self.client = dict(wanted)

    def company_settings(self, company_id):
        return self.levels.get(company_id)

    def set_company_settings(self, wanted, key):
        company_id = wanted["companyId"]
        if self._takes_effect("set_company_settings", company_id):
            self.levels[company_id] = dict(wanted)

    def running_reads(self, company_id, before):
        return self.running.get(company_id, 0)

    def consumers(self):
        return list(self.hooks)

    def create_consumer(self, url, event_types, tags, key):
        made = Consumer(f"new-{len(self.changes)}", url, tuple(event_types), tuple(tags))
        if self._takes_effect("create_consumer", url):
            self.hooks.append(made)
        return made

    def delete_consumer(self, consumer_id):
        there = [hook for hook in self.hooks if hook.consumer_id == consumer_id]
        if self._takes_effect("delete_consumer", consumer_id):
            self.hooks = [hook for hook in self.hooks if hook not in there]
        return bool(there)

    def add_product(self, company_id, product):
        if self._takes_effect("add_product", company_id, product):
            if company_id not in self.companies:
                raise NotFound("no such company")
            self._set_products(company_id, {*self.companies[company_id].products, product})

    def remove_product(self, company_id, product):
        company = self.companies.get(company_id)
        if self._takes_effect("remove_product", company_id, product) and company:
            self._set_products(company_id, {*company.products} - {product})
            return product in company.products
        return False

    def _set_products(self, company_id, products):
        known = self.companies[company_id]
        self.companies[company_id] = ListedCompany(
            company_id, known.linked, tuple(sorted(products)), known.tags
        )

    def products_are_enabled(self, company_id):
        return self.failing.get("products_are_enabled")


class FakeManifests:
    """Manifests as JSON, by key."""

    def __init__(self):
        self.kept = {}

    def put(self, key, value):
        self.kept[key] = json.dumps(value)

    def get(self, key):
        return json.loads(self.kept[key]) if key in self.kept else None


class FakeReads:
    """Read states: every product is read at once, except the products in `silent`."""

    def __init__(self, now):
        self.now, self.silent = now, set()

    def get(self, company_id, product):
        return ReadState(last_read_at=None if product in self.silent else self.now()), 1


class FakeSecrets:
    """Accepted signing secrets by the consumer's name at the hub, the newest first."""

    def __init__(self):
        self.accepted = {}

    def accept(self, consumer, secret):
        known = self.accepted.setdefault(consumer, [])
        new = secret not in known
        if new:
            known.insert(0, secret)
        return new

    def withdraw(self, consumer, fingerprints):
        known = self.accepted.get(consumer, [])
        self.accepted[consumer] = [
            secret for secret in known if fingerprint(secret) not in fingerprints
        ]


class FakeExecutions:
    """Executions by name. `queue`: executions that were started and did not run yet."""

    def __init__(self):
        self.queue, self.status, self.resumed = [], {}, set()

    def start(self, name, state):
        if name not in self.status:
            self.status[name] = "RUNNING"
            self.queue.append((name, dict(state)))

    def has_begun(self, name):
        return name in self.status

    def runs(self, name):
        return self.status.get(name) == "RUNNING"

    def is_over(self, name):
        return self.status.get(name, "RUNNING") != "RUNNING"

    def stop(self, name, cause):
        self.status[name] = "ABORTED"

    def resume(self, token):
        self.resumed.add(token)
        return True
