"""The user that the first start creates (service/prepare.py), and the file with its one-time password."""

from pathlib import Path

from domain.administration import FIRST_USER, fold_name
from service.settings import Settings


def password_file(settings: Settings) -> Path:
    return settings.home / "admin.password"


def forget_password(settings: Settings, user: str) -> None:
    """Delete the file after a password change: its password is no longer valid. Names are compared without case."""
    if fold_name(user) == FIRST_USER:
        password_file(settings).unlink(missing_ok=True)
