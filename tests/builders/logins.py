"""Addresses of a database where one login does everything."""

from service.database import Addresses


def one_login(url: str) -> Addresses:
    return Addresses(owner=url, web=url, projector=url)
