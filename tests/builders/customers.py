"""A customer with usual values, and the register with the search of the API beside it."""

import asyncio
from datetime import date
from typing import Any

from psycopg import AsyncConnection
from psycopg_pool import ConnectionPool

from domain.customer import Customer
from store.register import CustomerRegister, search_customers


def a_customer(id: str = "100234", **changes: Any) -> Customer:  # noqa: A002  # the contract's name of the field
    """A person without a card: a card belongs to one customer only, so a test that needs one names it."""
    usual: dict[str, Any] = {"name": "Jan de Vries", "birth_date": date(1971, 5, 23), "home_branch": "CENTRAL"}
    return Customer(id=id, **{**usual, **changes})


class SearchedRegister(CustomerRegister):
    """The register, searched on an asynchronous connection as the API does."""

    def __init__(self, pool: ConnectionPool) -> None:
        super().__init__(pool)
        self._address = str(pool.conninfo)

    def search(self, text: str, limit: int) -> tuple[Customer, ...]:
        async def search() -> tuple[Customer, ...]:
            async with await AsyncConnection.connect(self._address, autocommit=True) as conn:
                return await search_customers(conn, text, limit)

        return asyncio.run(search())
