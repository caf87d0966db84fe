"""The forms that change what may be traded."""

from __future__ import annotations

from django import forms
from django.http import QueryDict

from trading.core.types import TradingState
from trading.models import LifeKind
from trading.selectors import life_page

FLATTEN = "flatten"


class HaltForm(forms.Form):
    """How strictly to stop; one press confirms, nothing is typed. Closing everything is asked for once more."""

    state = forms.ChoiceField(
        choices=[
            (TradingState.HALTED.value, "Halt"),
            (TradingState.REDUCING.value, "Halt, let strategies exit"),
            (FLATTEN, "Halt and close everything"),
        ]
    )


class ResumeForm(forms.Form):
    """Why it is safe now, and the typed word; what is missing is said by the service."""

    reason = forms.CharField(max_length=200, label="Why is it safe now?", required=False)
    phrase = forms.CharField(max_length=20, label="Type RESUME", required=False)


class ReopenForm(forms.Form):
    """Why a lock of the total limit may end, and the typed word; what is missing is said by the service."""

    reason = forms.CharField(max_length=200, label="Why is it safe now?", required=False)
    phrase = forms.CharField(max_length=20, label="Type REOPEN", required=False)


class ReasonForm(forms.Form):
    """Why a step is asked for or taken back, and the typed words; what is missing is said by the service."""

    reason = forms.CharField(max_length=200, required=False)
    phrase = forms.CharField(max_length=20, required=False)


# What each step of an account's life can be told.
STEP_FIELDS: dict[str, tuple[str, ...]] = {
    LifeKind.PAYOUT: ("amount",),
    LifeKind.DEPOSIT: ("amount", "initial"),
    LifeKind.PHASE_UP: ("initial", "programme", "number"),
    LifeKind.RESET: ("initial", "programme"),
    LifeKind.NEW_LOGIN: ("initial", "programme", "number"),
}


class LifeForm(forms.Form):
    """The figures of one step; whether they make sense is said by the service, beside both sides."""

    amount = forms.DecimalField(max_digits=14, decimal_places=2, label="Amount")
    initial = forms.DecimalField(  # type: ignore[assignment]  # a field; the form takes it out of the class
        max_digits=14, decimal_places=2, required=False, label="Initial balance"
    )
    programme = forms.ChoiceField(required=False, label="Programme")
    number = forms.CharField(max_length=40, required=False, label="Login at the venue")

    def __init__(self, kind: str, data: QueryDict | None = None) -> None:
        super().__init__(data)
        for name in set(self.fields) - set(STEP_FIELDS[kind]):
            del self.fields[name]
        chosen = self.fields.get("programme")
        if isinstance(chosen, forms.ChoiceField):
            follows = "the one that follows" if kind == LifeKind.PHASE_UP else "the same as now"
            titles = [(profile.name, profile.title) for profile in life_page.programmes()]
            chosen.choices = [("", follows), *titles]
        if "number" in self.fields:
            self.fields["number"].required = kind == LifeKind.NEW_LOGIN
