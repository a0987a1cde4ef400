from tools.mutation.invisible import Reason, Reasons
from tools.mutation.modules import CODE
from tools.mutation.mutant import Mutant

BREAKER = "functions/codat_hub/rate_limiting/domain/breaker.py"


def mutant(**fields):
    facts = {"file": BREAKER, "line": 7, "before": "a = 1", "after": "a = 2", "source": "", "of": 1}
    return Mutant(**facts | fields)


def test_a_reason_fits_the_text_wherever_it_stands():
    reason = Reason("rate_limiting/domain/breaker", "a = 1", "nobody reads it", after="a = 2")
    assert reason.fits(mutant(line=99))
    assert not reason.fits(mutant(after="a = 3"))
    assert not reason.fits(mutant(before="b = 1"))
    assert not reason.fits(mutant(file="functions/codat_hub/errors.py"))


def test_a_reason_without_a_change_fits_every_change():
    reasons = Reasons((Reason("rate_limiting/domain/breaker", "a = 1", "nobody reads it"),), set())
    assert reasons.of(mutant(after="a = None")) == "nobody reads it"
    assert list(reasons.unused) == []


def test_a_reason_that_nothing_needs_is_named():
    reasons = Reasons((Reason("rate_limiting/domain/breaker", "a = 1", "nobody reads it"),), set())
    assert reasons.of(mutant(before="b = 1")) is None
    assert list(reasons.unused) == ["rate_limiting/domain/breaker: a = 1"]


def test_every_listed_reason_is_about_code_that_is_there():
    for reason in Reasons.read().reasons:
        lines = (CODE / f"{reason.module}.py").read_text().splitlines()
        text = " ".join(line.strip() for line in lines)
        assert reason.before in text, reason
        assert len(reason.why.split()) > 3, reason
