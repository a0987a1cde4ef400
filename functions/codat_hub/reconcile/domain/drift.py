"""Kinds of drift between Codat and the hub: how bad each is, what it means, what to do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Severity(StrEnum):
    """How bad a kind of drift is.

    `unsafe`: a person has to act soon; `warning`: a person should look; `info`: for the record.
    """

    INFO = "info"
    WARNING = "warning"
    UNSAFE = "unsafe"


class DriftKind(StrEnum):
    """What differs between Codat and the hub."""

    COMPANY_UNKNOWN = "company_unknown"
    COMPANY_OUTDATED = "company_outdated"
    COMPANY_GONE = "company_gone"
    COMPANY_VANISHED = "company_vanished"
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
    ANSWER_UNREADABLE = "answer_unreadable"
    NOT_CHECKED = "not_checked"
    PARKED_EXPIRING = "parked_expiring"


@dataclass(frozen=True, slots=True)
class Drift:
    """One disagreement.

    company_id, product: the company and product it is about; None: it is about the whole client
    subject: the thing it is about, such as a connection id, a consumer's URL or a time
    detail: the hub's side and Codat's, for a person
    mended: whether the hub has repaired it, on its own side or (a left-over removal) at Codat too;
    stored by this name
    """

    kind: DriftKind
    detail: str
    company_id: str | None = None
    product: str | None = None
    subject: str | None = None
    mended: bool = False

    @property
    def identity(self) -> tuple[str, ...]:
        """Return the same value for the same disagreement found twice."""
        return (self.kind, self.company_id or "", self.product or "", self.subject or "")

    @property
    def unsafe(self) -> bool:
        """Tell whether a person has to act: the kind is unsafe, and nothing was repaired."""
        return not self.mended and EXPLAINED[self.kind].severity is Severity.UNSAFE


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a kind of drift means, and what a person does about it."""

    severity: Severity
    means: str
    to_do: str


# After a killed try, vanished drift of these kinds counts as repaired. The use cases
# reconcile_companies.py and reconcile_directory.py decide what is repaired.
RECOUNTED_AFTER_A_KILL: Final = frozenset(
    {
        DriftKind.COMPANY_UNKNOWN,
        DriftKind.COMPANY_OUTDATED,
        DriftKind.COMPANY_GONE,
        DriftKind.COMPANY_NOT_DELETED,
        DriftKind.CONNECTION_STATUS,
        DriftKind.PRODUCT_UNASSIGNED,
        DriftKind.ASSIGNMENT_STALE,
        DriftKind.INTENT_LEFT,
    }
)
_NOTHING: Final = "Nothing: the hub has taken over what Codat says."
EXPLAINED: Final = {
    DriftKind.COMPANY_UNKNOWN: Explanation(
        Severity.INFO,
        "Codat has a company that was not in the directory; no webhook reported it.",
        f"{_NOTHING} If there are many such companies, look for missing webhooks.",
    ),
    DriftKind.COMPANY_OUTDATED: Explanation(
        Severity.INFO, "The directory had another name or other products for a company.", _NOTHING
    ),
    DriftKind.COMPANY_GONE: Explanation(
        Severity.INFO,
        "The directory has a company that Codat no longer has: Codat answered 404 for it.",
        "Nothing: the hub has marked it as deleted and its products as absent.",
    ),
    DriftKind.COMPANY_VANISHED: Explanation(
        Severity.UNSAFE,
        "Many companies are missing at Codat at once, which is more often a fault than a wish. The"
        " hub has marked nothing.",
        "Look at the companies in the Codat Portal. If they are deleted, confirm it: tools/hub"
        " reconcile start --confirm-gone RECONCILE. A reconcile that finds the same at least 12"
        " hours later believes it too, unless Codat's list is empty.",
    ),
    DriftKind.COMPANY_NOT_DELETED: Explanation(
        Severity.WARNING,
        "The directory said that a company was deleted, but Codat lists it.",
        "Nothing if it is repaired: the company is live again. A deletion at Codat is final, so if"
        " there are many such companies, ask Codat's support.",
    ),
    DriftKind.CONNECTION_STATUS: Explanation(
        Severity.INFO, "The directory had another status for a connection.", _NOTHING
    ),
    DriftKind.PRODUCT_UNASSIGNED: Explanation(
        Severity.INFO,
        "Codat has a product on a company that was not assigned through the hub; a consent"
        " covers it.",
        "Nothing: the hub counts it as assigned.",
    ),
    DriftKind.PRODUCT_WITHOUT_CONSENT: Explanation(
        Severity.UNSAFE,
        "Codat has a product on a company, and no recorded consent covers all its data types.",
        "If the customer gave a consent, record it: tools/hub consents grant COMPANY PRODUCT. If"
        " not, remove the product: tools/hub companies remove-product COMPANY PRODUCT. The hub"
        " never removes it by itself.",
    ),
    DriftKind.PRODUCT_UNREGISTERED: Explanation(
        Severity.WARNING,
        "Companies at Codat have a product that is not in the hub's registry, so neither consent"
        " nor cadence can be judged.",
        "Add the product to products.yaml, then run: tools/hub products apply.",
    ),
    DriftKind.ASSIGNMENT_GONE: Explanation(
        Severity.WARNING,
        "The hub assigned a product to a company, but Codat does not have it there.",
        "If the customer still wants it: tools/hub companies add-product COMPANY PRODUCT. If not:"
        " tools/hub companies remove-product COMPANY PRODUCT.",
    ),
    DriftKind.ASSIGNMENT_STALE: Explanation(
        Severity.INFO,
        "Codat answered a refresh with 404, so the assignment was in doubt; now it is settled.",
        "Nothing: the hub has taken over whether Codat has the product.",
    ),
    DriftKind.INTENT_LEFT: Explanation(
        Severity.WARNING,
        "The hub started to add or remove a product and never finished.",
        "Nothing if it is repaired: the change is finished, or Codat never made it. If not, repeat"
        " it: tools/hub companies add-product COMPANY PRODUCT, or remove-product.",
    ),
    DriftKind.WEBHOOK_MISSING: Explanation(
        Severity.UNSAFE,
        "Codat has newer data of a company than any webhook has reported.",
        "Codat itself retries for 28 hours. After that, replay the given time from the webhooks"
        " page of the Codat Portal, which keeps two weeks; the hub stores no webhook twice. Then"
        " look for the cause, such as a disabled consumer or a missing secret.",
    ),
    DriftKind.CONSUMER_MISSING: Explanation(
        Severity.UNSAFE,
        "No webhook consumer at Codat sends the reads of a product to the hub.",
        "Create the consumer in the Codat Portal with the hub's URL and the given event type, then"
        " store its signing secret: tools/hub secrets add CONSUMER.",
    ),
    DriftKind.CONSUMER_DISABLED: Explanation(
        Severity.UNSAFE,
        "A webhook consumer of the hub is disabled at Codat, so its events do not arrive. Codat"
        " disables a consumer after 5 days of failures.",
        "Enable it in the Codat Portal, then replay the missed events from there.",
    ),
    DriftKind.CONSUMER_DOUBLED: Explanation(
        Severity.WARNING,
        "The hub gets a read's base event and its sub-events, so each read comes two or three"
        " times.",
        "In the Codat Portal, leave only the base event type subscribed: read.completed or"
        " {product}.read.completed.",
    ),
    DriftKind.CONSUMER_ELSEWHERE: Explanation(
        Severity.WARNING,
        "A webhook consumer of this Codat client has the URL of another hub. A test client of"
        " Codat copies the consumers of production.",
        "Delete it in the Codat Portal, unless that hub should get these events. If the URL is"
        " this hub's under your own domain, deploy with the parameter WebhookDomain.",
    ),
    DriftKind.EVENT_UNSUBSCRIBED: Explanation(
        Severity.WARNING,
        "No consumer of the hub subscribes to an event type that the directory needs.",
        "Subscribe to it in the Codat Portal. Until then only reconcile notices such changes.",
    ),
    DriftKind.SECRET_MISSING: Explanation(
        Severity.UNSAFE,
        "A webhook consumer of the hub has no signing secret stored, so the hub refuses its"
        " events.",
        "Copy the secret from the Codat Portal and store it: tools/hub secrets add CONSUMER. Codat"
        " retries for 28 hours.",
    ),
    DriftKind.SECRET_UNUSED: Explanation(
        Severity.INFO,
        "A signing secret is stored for a consumer that Codat does not have.",
        "Remove it: tools/hub secrets remove CONSUMER FINGERPRINT. Leave it if you are about to"
        " create the consumer, or if the consumer belongs to another Codat client.",
    ),
    DriftKind.BOTH_SYNC_SETTINGS: Explanation(
        Severity.UNSAFE,
        "Client-level sync settings are on while companies have custom products with settings of"
        " their own: Codat reads the same data twice, and windows overlap.",
        "Migrate to product-level settings: tools/hub migrations plan --product PRODUCT. Or switch"
        " the client-level schedules off in the Codat Portal.",
    ),
    DriftKind.OVERRIDE_ACTIVE: Explanation(
        Severity.UNSAFE,
        "A company has sync settings of its own, and they are on while it has a custom product.",
        "Migrate this company: tools/hub migrations plan --product PRODUCT --company COMPANY. Or"
        " switch the company's own schedules off.",
    ),
    DriftKind.WRONG_CLIENT: Explanation(
        Severity.UNSAFE,
        "The API key belongs to another Codat client than the one this stack is bound to. The hub"
        " compares nothing, and changes nothing at Codat.",
        "Store the right API key: tools/hub secrets set-api-key. Or deploy with the right"
        " CodatClientId.",
    ),
    DriftKind.QUOTA_LOW: Explanation(
        Severity.WARNING,
        "Less than a fifth of Codat's daily quota is left.",
        "Wait for the reset at 00:00 UTC, or find out which other system calls with this client's"
        " keys.",
    ),
    DriftKind.ANSWER_UNREADABLE: Explanation(
        Severity.WARNING,
        "Codat's list has something that the hub cannot read. The hub changed nothing by it, and"
        " compared everything else.",
        "Look at the company, consumer or setting in the Codat Portal. If it is in order there,"
        " send the given place to Codat's support.",
    ),
    DriftKind.NOT_CHECKED: Explanation(
        Severity.WARNING,
        "Codat gave no usable answer about a company, so the hub could not check this part of it.",
        "Nothing if it passes by the next night. If not, follow Codat's words, or send its support"
        " the correlation id.",
    ),
    DriftKind.PARKED_EXPIRING: Explanation(
        Severity.UNSAFE,
        "Parked webhooks leave the inbox within seven days. After that their events can no longer"
        " be published, and the product owes its team a full load.",
        "Correct the cause, then replay them: tools/hub replay start --parked.",
    ),
}
