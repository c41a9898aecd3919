"""What every page owes: no violation of axe, no sideways scroll, a language, a policy that is kept."""

from collections.abc import Callable

import pytest

from tests.browser.desks import Desk
from tests.http.desk import a_customer, archived, view


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
def test_a_customers_documents_are_for_everyone(desks: Callable[..., Desk], width: int, scheme: str) -> None:
    desk = desks(width=width, color_scheme=scheme)
    customer = a_customer(desk.served)
    letter = archived(desk.served.as_("staff"), customer)
    assert view(desk.served.as_("staff"), customer, letter["position"])
    page = desk.open(f"/customers/{customer}")
    assert page.get_by_role("link", name="Letter", exact=True).is_visible()
    assert desk.violations() == []
    assert not desk.is_too_wide()
