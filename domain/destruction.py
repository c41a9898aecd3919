"""The ground on which a paper is destroyed: the disposal that lists it and the retention rule that it has served."""

from datetime import date
from uuid import UUID

import msgspec


class DestructionGround(msgspec.Struct, frozen=True, kw_only=True):
    """Why a paper was destroyed. It outlives the paper, so it has no personal value. `due_on`: the first day on
    which the rule let it go; `trigger`, `months` and `legal_basis` are those of its type's rule on that day."""

    disposal: UUID
    due_on: date
    trigger: str
    months: int
    legal_basis: str
