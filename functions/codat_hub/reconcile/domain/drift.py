"""Where Codat and the hub disagree: each kind, how bad it is, what it means, what to do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Severity(StrEnum):
    """`unsafe`: a person has to act, and soon; `warning`: should look; `info`: for the record."""

    INFO = "info"
    WARNING = "warning"
    UNSAFE = "unsafe"


class Kind(StrEnum):
    COMPANY_UNKNOWN = "company_unknown"
    COMPANY_OUTDATED = "company_outdated"
    COMPANY_GONE = "company_gone"
    COMPANY_NOT_DELETED = "company_not_deleted"
    CONNECTION_STATUS = "connection_status"
    PRODUCT_UNASSIGNED = "product_unassigned"
    PRODUCT_WITHOUT_CONSENT = "product_without_consent"
    PRODUCT_UNREGISTERED = "product_unregistered"
    ASSIGNMENT_GONE = "assignment_gone"
    ASSIGNMENT_STALE = "assignment_stale"
    INTENT_LEFT = "intent_left"
    WEBHOOK_MISSING = "webhook_missing"
    CONSUMER_MISSING = "consumer_missing"
    CONSUMER_DISABLED = "consumer_disabled"
    CONSUMER_DOUBLED = "consumer_doubled"
    CONSUMER_ELSEWHERE = "consumer_elsewhere"
    EVENT_UNSUBSCRIBED = "event_unsubscribed"
    SECRET_MISSING = "secret_missing"  # noqa: S105  # not a secret
    SECRET_UNUSED = "secret_unused"  # noqa: S105
    BOTH_SYNC_SETTINGS = "both_sync_settings"
    OVERRIDE_ACTIVE = "override_active"
    WRONG_CLIENT = "wrong_client"
    QUOTA_LOW = "quota_low"


@dataclass(frozen=True, slots=True)
class Drift:
    """One disagreement.

    company_id, product: which one it is about; None: the whole client
    subject: what else it is about: a connection id, a consumer's URL, data types
    detail: ours and theirs, for a person
    mended: True: the hub has put its own side right; False: it has not
    """

    kind: Kind
    detail: str
    company_id: str | None = None
    product: str | None = None
    subject: str | None = None
    mended: bool = False

    @property
    def identity(self) -> tuple[str, ...]:
        """Same for the same disagreement found twice."""
        return (self.kind, self.company_id or "", self.product or "", self.subject or "")

    @property
    def unsafe(self) -> bool:
        return not self.mended and EXPLAINED[self.kind].severity is Severity.UNSAFE


@dataclass(frozen=True, slots=True)
class Explanation:
    severity: Severity
    means: str
    to_do: str


_NOTHING: Final = "Nothing: the hub has taken over what Codat says."
EXPLAINED: Final = {
    Kind.COMPANY_UNKNOWN: Explanation(
        Severity.INFO,
        "Codat has a company that the directory did not; no webhook told of it.",
        f"{_NOTHING} If there are many, look for missing webhooks.",
    ),
    Kind.COMPANY_OUTDATED: Explanation(
        Severity.INFO, "The directory had another name or other products of a company.", _NOTHING
    ),
    Kind.COMPANY_GONE: Explanation(
        Severity.INFO,
        "The directory has a company that Codat no longer has; asking for it answered 404.",
        "Nothing: the hub has marked it as deleted and its products as absent.",
    ),
    Kind.COMPANY_NOT_DELETED: Explanation(
        Severity.WARNING,
        "The directory says that a company was deleted, but Codat lists it.",
        "Look at the company in the Codat Portal. If it is in use, ask for support: a deletion at"
        " Codat is final, so this should not be.",
    ),
    Kind.CONNECTION_STATUS: Explanation(
        Severity.INFO, "A connection's status was another one than we knew.", _NOTHING
    ),
    Kind.PRODUCT_UNASSIGNED: Explanation(
        Severity.INFO,
        "Codat has a product on a company that was not assigned through the hub; a consent"
        " covers it.",
        "Nothing: the hub counts it as assigned.",
    ),
    Kind.PRODUCT_WITHOUT_CONSENT: Explanation(
        Severity.UNSAFE,
        "Codat has a product on a company, and no recorded consent covers all its data types.",
        "Record the consent (PUT /companies/{id}/consents/{product}) if the customer gave one, else"
        " remove the product (DELETE /companies/{id}/products/{product}). The hub never removes it"
        " by itself.",
    ),
    Kind.PRODUCT_UNREGISTERED: Explanation(
        Severity.WARNING,
        "Companies at Codat have a product that is not in the hub's registry, so neither consent"
        " nor cadence can be judged.",
        "Add the product to products.yaml and apply it.",
    ),
    Kind.ASSIGNMENT_GONE: Explanation(
        Severity.WARNING,
        "The hub assigned a product to a company, but Codat does not have it there.",
        "If the customer still wants it: PUT /companies/{id}/products/{product}; else DELETE.",
    ),
    Kind.ASSIGNMENT_STALE: Explanation(
        Severity.INFO,
        "A refresh was answered with 404, so the assignment was in doubt; now it is settled.",
        "Nothing: the hub counts it as Codat does.",
    ),
    Kind.INTENT_LEFT: Explanation(
        Severity.WARNING,
        "Adding or removing a product was begun and never finished.",
        "Nothing if it is mended: what was begun is finished, or found not to have happened. Else"
        " repeat the call (PUT or DELETE /companies/{id}/products/{product}).",
    ),
    Kind.WEBHOOK_MISSING: Explanation(
        Severity.UNSAFE,
        "Codat has newer data of a company than any webhook has told us of.",
        "Codat itself retries for 28 hours. After that, replay the time given from the webhooks"
        " page of the Codat Portal (two weeks are kept); what the hub has already is not stored"
        " twice. Then look at why: a disabled consumer, a missing secret.",
    ),
    Kind.CONSUMER_MISSING: Explanation(
        Severity.UNSAFE,
        "No webhook consumer at Codat sends the reads of a product to the hub.",
        "Create the consumer in the Codat Portal with the hub's URL and the event type given, then"
        " store its signing secret: tools/hub secrets add NAME.",
    ),
    Kind.CONSUMER_DISABLED: Explanation(
        Severity.UNSAFE,
        "A webhook consumer of the hub is disabled at Codat (Codat does so after 5 days of"
        " failures), so its events do not arrive.",
        "Enable it in the Codat Portal, then replay what was missed.",
    ),
    Kind.CONSUMER_DOUBLED: Explanation(
        Severity.WARNING,
        "The hub gets a read's base event and its sub-events: each read two or three times.",
        "Leave only the base event type (read.completed, {product}.read.completed) subscribed.",
    ),
    Kind.CONSUMER_ELSEWHERE: Explanation(
        Severity.WARNING,
        "A webhook consumer of this Codat client has the URL of a hub that is not this one. A test"
        " client of Codat copies production's consumers.",
        "Delete it in the Codat Portal, unless that hub is meant to have these events. If it is"
        " this hub under your own domain, set WebhookDomain.",
    ),
    Kind.EVENT_UNSUBSCRIBED: Explanation(
        Severity.WARNING,
        "No consumer of the hub has subscribed to an event type that keeps the directory.",
        "Subscribe to it in the Codat Portal; until then only reconcile notices such changes.",
    ),
    Kind.SECRET_MISSING: Explanation(
        Severity.UNSAFE,
        "A webhook consumer of the hub has no signing secret stored, so its events are refused.",
        "Copy it from the Codat Portal: tools/hub secrets add NAME. Codat retries for 28 hours.",
    ),
    Kind.SECRET_UNUSED: Explanation(
        Severity.INFO,
        "A signing secret is stored for a consumer that Codat does not have.",
        "Remove it, unless the consumer is about to be created or sends from elsewhere.",
    ),
    Kind.BOTH_SYNC_SETTINGS: Explanation(
        Severity.UNSAFE,
        "Client-level sync settings are on while companies have custom products, which have"
        " settings of their own: the same data is read twice, and windows overlap.",
        "Run the migration to product-level settings, or switch the client-level schedules off.",
    ),
    Kind.OVERRIDE_ACTIVE: Explanation(
        Severity.UNSAFE,
        "A company has sync settings of its own that are on while it has a custom product.",
        "Run the migration for this company, or switch the override's schedules off.",
    ),
    Kind.WRONG_CLIENT: Explanation(
        Severity.UNSAFE,
        "The API key is not of the Codat client that this stack is bound to. Nothing is compared,"
        " and nothing is changed at Codat.",
        "Store the right API key, or deploy with the CodatClientId that is meant.",
    ),
    Kind.QUOTA_LOW: Explanation(
        Severity.WARNING,
        "Less than a fifth of Codat's daily quota is left.",
        "Wait for the reset at 00:00 UTC, or see who else calls with this client's keys.",
    ),
}
