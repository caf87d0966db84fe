"""The forms that change what may be traded."""

from __future__ import annotations

from django import forms

from trading.core.types import TradingState

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
