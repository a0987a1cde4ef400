"""What the tests of reconcile ask of a run and of the sandbox."""

from collections import Counter


def kinds(hub, run):
    return Counter(drift.kind for drift in hub.drift(run))


def of_companies(hub, run):
    """Return the drift about companies."""
    return [drift for drift in hub.drift(run) if drift.company_id]


def first(hub, product):
    companies = hub.codat.companies.values()
    return next(company for company in companies if product in company.products)


def killed_after(steps):
    left = iter(range(steps))

    def has_time():
        if next(left, None) is None:
            raise KeyboardInterrupt
        return True

    return has_time
