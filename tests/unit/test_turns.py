"""Whose request a decoder takes next (paper/turns.py): one at a time an asker, the least served first."""

from typing import Any

import msgspec
import pytest

from paper.turns import QueueFull, Turns


class Asked(msgspec.Struct, eq=False):
    asker: bytes
    stores: bool = True


def a_queue(decoders: int = 3, **options: Any) -> Turns[Asked]:
    return Turns[Asked](**{"decoders": decoders, "waiting_max": 9, "wait_seconds": 5.0, "own_seconds": 20.0, **options})


def joined(turns: Turns[Asked], *requests: Asked, now: float = 0.0) -> None:
    for request in requests:
        turns.join(request, now)


def test_an_asker_has_one_request_at_work_and_others_pass_it() -> None:
    turns, first, second, other = a_queue(), Asked(b"a"), Asked(b"a"), Asked(b"b")
    joined(turns, first, second, other)
    assert [turns.next(0), turns.next(0), turns.next(0)] == [first, other, None]
    turns.end(first, 1)
    assert turns.next(1) is second


def test_uploads_of_an_asker_alone_take_all_decoders_but_one_and_give_way_to_others() -> None:
    turns, own, other = a_queue(), [Asked(b"a") for _ in range(5)], Asked(b"b")
    joined(turns, *own)
    assert [turns.next(0), turns.next(0), turns.next(0)] == [own[0], own[1], None]
    joined(turns, other, now=1)
    assert [turns.next(1), turns.next(1)] == [other, None]
    joined(turns, waits := Asked(b"c", stores=False), now=2)
    turns.end(own[0], 3)
    assert turns.next(3) is waits
    turns.end(own[1], 4)
    assert [turns.next(4), turns.next(4)] == [own[2], None]


def test_page_images_of_an_asker_alone_are_made_one_at_a_time() -> None:
    turns, first = a_queue(), Asked(b"a", stores=False)
    joined(turns, first, Asked(b"a", stores=False))
    assert [turns.next(0), turns.next(0)] == [first, None]


def test_there_are_never_more_at_work_than_decoders() -> None:
    turns = a_queue(2)
    joined(turns, *(Asked(bytes([n])) for n in range(3)))
    assert [turns.next(0) is None for _ in range(3)] == [False, False, True]


def test_who_used_the_decoders_least_comes_first() -> None:
    turns, heavy, light = a_queue(1), Asked(b"heavy"), Asked(b"light")
    joined(turns, heavy)
    assert turns.next(0) is heavy
    joined(turns, again := Asked(b"heavy"), now=1)
    joined(turns, light, now=2)
    turns.end(heavy, 10)
    assert turns.next(10) is light
    turns.end(light, 11)
    assert turns.next(11) is again


def test_what_was_used_long_ago_is_forgotten() -> None:
    turns, early, late = a_queue(1), Asked(b"early"), Asked(b"late")
    joined(turns, early)
    assert turns.next(0) is early
    turns.end(early, 20)
    joined(turns, late, now=600)
    assert turns.next(600) is late
    turns.end(late, 601)
    joined(turns, Asked(b"late"), now=601)
    joined(turns, again := Asked(b"early"), now=602)
    assert turns.next(602) is again


def test_page_images_leave_a_decoder_for_what_is_stored() -> None:
    turns, upload = a_queue(2), Asked(b"u")
    joined(turns, first := Asked(b"1", stores=False), Asked(b"2", stores=False))
    assert [turns.next(0), turns.next(0)] == [first, None]
    joined(turns, upload, now=1)
    assert turns.next(1) is upload


def test_an_upload_passes_its_askers_page_images_that_may_not_run() -> None:
    turns = a_queue(2)
    joined(turns, shown := Asked(b"1", stores=False), Asked(b"2", stores=False), upload := Asked(b"2"))
    assert [turns.next(0), turns.next(0)] == [shown, upload]


def test_one_decoder_serves_all() -> None:
    turns = a_queue(1)
    joined(turns, image := Asked(b"1", stores=False))
    assert turns.next(0) is image


def test_who_waits_too_long_for_others_leaves() -> None:
    turns, busy, late = a_queue(1), Asked(b"a"), Asked(b"b")
    joined(turns, busy)
    assert turns.next(0) is busy
    joined(turns, late, now=1)
    assert turns.remove_overdue(5.9) == []
    assert turns.remove_overdue(6) == [late]
    assert turns.is_empty


def test_the_wait_for_others_begins_when_the_askers_own_request_has_ended() -> None:
    turns, first, second = a_queue(1), Asked(b"a"), Asked(b"a")
    joined(turns, first, second)
    assert turns.next(0) is first
    assert turns.remove_overdue(15) == []
    turns.end(first, 15)
    joined(turns, other := Asked(b"b"), now=15)
    assert turns.next(15) is other
    assert turns.remove_overdue(19.9) == []
    assert turns.remove_overdue(20) == [second]


def test_a_wait_for_ones_own_requests_ends_too() -> None:
    turns, first, second = a_queue(1), Asked(b"a"), Asked(b"a")
    joined(turns, first, second)
    assert turns.next(0) is first
    assert turns.remove_overdue(25) == [second]


def test_a_queue_of_one_asker_is_bounded_and_no_one_elses() -> None:
    turns = a_queue(waiting_max=2)
    joined(turns, Asked(b"a"), Asked(b"a"))
    with pytest.raises(QueueFull):
        turns.join(Asked(b"a"), 0)
    turns.join(Asked(b"b"), 0)


def test_a_request_that_leaves_is_never_taken() -> None:
    turns, left, stays = a_queue(), Asked(b"a"), Asked(b"a")
    joined(turns, left, stays)
    turns.leave(left)
    assert turns.next(0) is stays


def test_askers_of_the_past_are_forgotten() -> None:
    turns = a_queue(1)
    for n in range(2_000):
        joined(turns, request := Asked(n.to_bytes(4, "big")), now=n)
        assert turns.next(n) is request
        turns.end(request, n + 0.5)
    assert len(turns._used) <= 1_000
