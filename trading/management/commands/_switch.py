"""What the commands of the kill switch share."""

from django.contrib.auth import get_user_model
from django.core.management.base import CommandError

from trading.models import Account


def account_id(name: str | None) -> int | None:
    """The number of the account of that name; None, all accounts, without a name."""
    if name is None:
        return None
    found = Account.objects.filter(name=name).values_list("pk", flat=True).first()
    if found is None:
        known = ", ".join(Account.objects.values_list("name", flat=True)) or "none"
        raise CommandError(f"There is no account {name!r}; there are: {known}.")
    return int(found)


def user_id(name: str) -> int:
    """The number of the user of that name."""
    found = get_user_model().objects.filter(username=name).values_list("pk", flat=True).first()
    if found is None:
        raise CommandError(f"There is no user {name!r}.")
    return int(found)


def typed() -> str:
    """What a person types; "" where nobody can."""
    try:
        return input().strip()
    except EOFError:
        return ""
