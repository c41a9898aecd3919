"""Each limit on both sides: what is just at it is taken, one more is not. On an archive whose limits are small."""

import ast
import json
import os
import secrets
import select
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import httpx
import pytest

from domain.limits import Limits
from service.settings import MAY_BE_NONE, limit_settings
from service.sweep import sweep
from service.wiring import open_store
from tests.http import wire
from tests.http.desk import (
    a_customer,
    a_text,
    archived,
    at,
    check,
    corrected,
    hand_in,
    issued,
    no_upload,
    noted,
    pointers,
    problem_of,
    select_file,
    token_for,
    view,
)
from tests.http.scanning import a_page, a_station, arrange, confirm, session, started
from tests.http.scanning import put as scan_page
from tests.http.served import ROOT, Served, serving, wait_until
from tests.http.tiny import Answer, drain, parse
from tests.paper.files import a_blank_png, a_film, a_pdf, a_slow_tiff

HERE = "tests/http/test_api_limits.py"
HANGING = "tests/service/test_hanging.py"
HEALTH = "tests/service/test_health.py"
LAPSES = "tests/service/test_lapses.py"
OWN_WRITES = "tests/http/test_read_your_writes.py"
PAPER = "tests/paper/test_checks.py"
STREAM = "tests/http/test_api_events_stream.py"
SMALL = {
    "DOSSIER_WORKERS": "1",
    "DOSSIER_HOSTS": "localhost,127.0.0.1",
    "DOSSIER_MAX_UPLOAD_BYTES": "400000",
    "DOSSIER_IMAGE_FRAMES_MAX": "40",
    "DOSSIER_FILE_PIXELS_MAX": "1000000000000",
    "DOSSIER_PDF_PAGES_MAX": "3",
    "DOSSIER_FILE_NAME_CHARACTERS_MAX": "20",
    "DOSSIER_NOTE_CHARACTERS_MAX": "40",
    "DOSSIER_FORM_DAYS": "3",
    "DOSSIER_CHECK_TOKEN_SECONDS": "3",
    "DOSSIER_CHECK_MISSES_PER_MINUTE_MAX": "2",
    "DOSSIER_SCAN_PAGES_MAX": "3",
    "DOSSIER_SCAN_SILENCE_SECONDS": "2",
    "DOSSIER_SESSION_HOURS": "1",
    "DOSSIER_SESSION_IDLE_MINUTES": "2",
    "DOSSIER_SIGN_IN_MISSES_MAX": "2",
    "DOSSIER_SIGN_IN_MISSES_PER_ADDRESS_MAX": "4",
    "DOSSIER_SIGN_IN_MISSES_MINUTES": "1",
    "DOSSIER_PASSWORD_CHARACTERS_MIN": "15",
    "DOSSIER_ONE_TIME_PASSWORD_DAYS": "1",
    "DOSSIER_LIST_PAGE_MAX": "5",
    "DOSSIER_LIST_PAGE_DEFAULT": "3",
    "DOSSIER_JSON_BODY_BYTES_MAX": "600",
    "DOSSIER_IDEMPOTENCY_KEY_HOURS": "1",
    "DOSSIER_UPLOADS_CONCURRENT_MAX": "6",
    "DOSSIER_UPLOADS_PER_CALLER_MAX": "5",
    "DOSSIER_QUEUE_WAIT_SECONDS": "1",
    "DOSSIER_MIN_POSITION_WAIT_SECONDS": "1",
    "DOSSIER_UPLOAD_GRACE_SECONDS": "2",
    "DOSSIER_UPLOAD_RATE_BYTES_PER_SECOND_MIN": "2000",
    "DOSSIER_UPLOAD_RATE_BYTES_PER_SECOND_CONTESTED": "1000",
    "DOSSIER_UPLOAD_SECONDS_MAX": "5",
    "DOSSIER_DECODE_SECONDS_MAX": "4",
    "DOSSIER_DECODE_SECONDS_PER_MEBIBYTE": "0.3",
    "DOSSIER_ORPHAN_AGE_HOURS": "1",
}
HOUR_SECONDS = 3600

# Where each limit has its tests: within it, beyond it.
TESTED: dict[str, tuple[str, str]] = {
    "upload_bytes_max": (f"{HERE}::test_a_file_of_the_limit", f"{HERE}::test_a_file_of_one_byte_more"),
    "image_pixels_max": (f"{HERE}::test_pixels", "tests/paper/test_checks.py::test_pixels_are_counted_before_"),
    "image_frames_max": (f"{HERE}::test_frames", "tests/paper/test_checks.py::test_frames_are_limited_on_both_sides"),
    "file_pixels_max": (f"{PAPER}::test_pixels_of_all_frames", f"{PAPER}::test_pixels_of_all_frames"),
    "pdf_pages_max": (f"{HERE}::test_pages_of_a_pdf", "tests/paper/test_checks.py::test_pages_of_a_pdf_are_limited"),
    "file_name_characters_max": (f"{HERE}::test_a_name", f"{HERE}::test_a_name"),
    "note_characters_max": (f"{HERE}::test_a_note_of_the_limit", f"{HERE}::test_a_note_of_one_character_more"),
    "form_days": (
        f"{HERE}::test_a_form_can_be_signed",
        "tests/unit/test_authorization.py::test_a_form_that_nobody_signed_lapses_after_its_last_day",
    ),
    "check_token_seconds": (f"{HERE}::test_a_check_is_good", f"{HERE}::test_a_check_is_good"),
    "check_misses_per_minute_max": (f"{HERE}::test_misses_of_codes", f"{HERE}::test_misses_of_codes"),
    "scan_pages_max": (f"{HERE}::test_pages_of_a_scan", f"{HERE}::test_pages_of_a_scan"),
    "scan_session_hours": (f"{LAPSES}::test_the_term_is_a_setting", f"{LAPSES}::test_the_term_is_a_setting"),
    "scan_grace_hours": (f"{LAPSES}::test_the_grace_is_a_setting", f"{LAPSES}::test_the_grace_is_a_setting"),
    "scan_silence_seconds": (f"{LAPSES}::test_the_silence_is", f"{HERE}::test_a_scan_whose_station_is_silent"),
    "session_hours": (f"{HERE}::test_a_session_lasts", f"{HERE}::test_a_session_lasts"),
    "session_idle_minutes": (f"{HERE}::test_a_session_lasts", f"{HERE}::test_a_session_lasts"),
    "sign_in_misses_max": (f"{HERE}::test_misses_of_passwords", f"{HERE}::test_misses_of_passwords"),
    "sign_in_misses_per_address_max": (f"{HERE}::test_misses_from_an_address", f"{HERE}::test_misses_from_an_address"),
    "sign_in_misses_minutes": (f"{HERE}::test_misses_of_passwords", f"{HERE}::test_misses_of_passwords"),
    "password_characters_min": (f"{HERE}::test_a_password_of", f"{HERE}::test_a_password_of"),
    "one_time_password_days": (f"{HERE}::test_a_one_time_password", f"{HERE}::test_a_one_time_password"),
    "list_page_max": (f"{HERE}::test_a_page_of_a_list", f"{HERE}::test_a_page_of_a_list"),
    "list_page_default": (f"{HERE}::test_a_page_of_a_list", f"{HERE}::test_a_page_of_a_list"),
    "json_body_bytes_max": (f"{HERE}::test_a_json_body", f"{HERE}::test_a_json_body"),
    "idempotency_key_hours": (f"{HERE}::test_an_idempotency_key", f"{HERE}::test_an_idempotency_key"),
    "uploads_concurrent_max": (f"{HERE}::test_uploads_at_once", f"{HERE}::test_uploads_at_once"),
    "uploads_per_caller_max": (f"{HERE}::test_uploads_of_one_caller", f"{HERE}::test_uploads_of_one_caller"),
    "queue_wait_seconds": (f"{HERE}::test_who_waits_for_a_place", f"{HERE}::test_uploads_at_once"),
    "events_streams_max": (f"{STREAM}::test_streams_over_the_limit", f"{STREAM}::test_streams_over_the_limit"),
    "events_heartbeat_seconds": (f"{STREAM}::test_a_heartbeat", f"{STREAM}::test_a_stream_ends_soon_after"),
    "min_position_wait_seconds": (f"{HERE}::test_a_position_that_comes", f"{HERE}::test_a_position_that_does_not"),
    "own_writes_wait_seconds": (f"{OWN_WRITES}::test_what_was_just_written", f"{OWN_WRITES}::test_while_the_projector"),
    "upload_grace_seconds": (f"{HERE}::test_slow_uploads", f"{HERE}::test_slow_uploads"),
    "upload_rate_bytes_per_second_min": (f"{HERE}::test_slow_uploads", f"{HERE}::test_slow_uploads"),
    "upload_rate_bytes_per_second_contested": (f"{HERE}::test_uploads_at_once", f"{HERE}::test_the_slowest_upload"),
    "upload_seconds_max": (f"{HERE}::test_slow_uploads", f"{HERE}::test_slow_uploads"),
    "header_seconds_max": (
        "tests/http/test_worker_connections.py::test_a_connection_that_served_lives_past_the_deadline",
        "tests/http/test_worker_connections.py::test_a_header_that_drips_is_cut_at_the_same_deadline",
    ),
    "connections_max": (
        "tests/http/test_worker_connections.py::test_connections_over_the_cap_are_refused_and_places_come_back",
        "tests/http/test_worker_connections.py::test_connections_over_the_cap_are_refused_and_places_come_back",
    ),
    "decode_seconds_max": (
        f"{HERE}::test_a_file_that_takes_the_decoder",
        f"{HERE}::test_a_file_that_takes_the_decoder",
    ),
    "decode_seconds_per_mebibyte": (
        "tests/paper/test_pool.py::test_a_small_file_gets_little",
        "tests/paper/test_pool.py::test_a_small_file_gets_little",
    ),
    "decodes_waiting_per_caller_max": (
        "tests/paper/test_pool.py::test_an_asker_with_too_much_waiting",
        "tests/paper/test_pool.py::test_an_asker_with_too_much_waiting",
    ),
    "decode_memory_bytes_max": (
        "tests/paper/test_pool.py::test_memory_is_limited_on_both_sides",
        "tests/paper/test_pool.py::test_memory_is_limited_on_both_sides",
    ),
    "decoder_uploads_max": (
        "tests/paper/test_walls.py::test_a_decoder_takes_as_many_uploads",
        "tests/paper/test_walls.py::test_a_decoder_takes_as_many_uploads",
    ),
    "orphan_age_hours": (f"{HERE}::test_an_orphan", f"{HERE}::test_an_orphan"),
    "clock_tolerance_seconds": (f"{LAPSES}::test_clocks_within", f"{LAPSES}::test_each_clock_that_is_off"),
    "disk_free_bytes_min": (
        "tests/http/test_uploads.py::test_a_disk_near_its_floor_is_refused_before_a_byte_is_read",
        "tests/http/test_api_outages.py::test_a_full_disk",
    ),
    "ballast_bytes": (
        "tests/service/test_ballast.py::test_it_never_takes",
        "tests/service/test_ballast.py::test_it_is_given_free",
    ),
    "silence_seconds_max": (f"{HANGING}::test_who_was_stopped", f"{HANGING}::test_a_part_that_hangs"),
    "backup_age_hours_max": (f"{HEALTH}::test_what_is_overdue", f"{HEALTH}::test_what_is_overdue"),
    "verify_age_hours_max": (f"{HEALTH}::test_what_is_overdue", f"{HEALTH}::test_what_is_overdue"),
    "view_lag_seconds_max": (f"{HEALTH}::test_views_that_lag", f"{HEALTH}::test_views_that_lag"),
}


def test_every_limit_has_its_two_sided_test() -> None:
    """A new limit fails here until it has one."""
    assert set(TESTED) == set(Limits.__struct_fields__)
    for limit, places in TESTED.items():
        for place in places:
            file, _, begin = place.partition("::")
            names = [n.name for n in ast.parse((ROOT / file).read_text("utf-8")).body if isinstance(n, ast.FunctionDef)]
            assert [name for name in names if name.startswith(begin)], f"{limit}: there is no {place}"


def test_every_limit_is_a_setting_of_its_name_that_takes_no_nought() -> None:
    for field, setting in limit_settings().items():
        assert setting.name in (f"DOSSIER_{field.upper()}", "DOSSIER_MAX_UPLOAD_BYTES")
        assert setting.parse(str(setting.default)) == setting.default == getattr(Limits(), field)
        for wrong in ("-1", "many") if field in MAY_BE_NONE else ("0", "-1", "many"):
            with pytest.raises(ValueError, match=r"^$|invalid literal|could not convert"):
                setting.parse(wrong)


@pytest.fixture(scope="module")
def small() -> Iterator[Served]:
    with serving(**SMALL) as running:
        yield running


@pytest.fixture
def staff(small: Served) -> httpx.Client:
    return small.as_("staff")


@pytest.fixture
def customer(small: Served) -> str:
    return a_customer(small)


def a_text_of(size: int) -> bytes:
    """Like no other, and of so many bytes."""
    return a_text().ljust(size, b".")


def token_of(client: httpx.Client) -> str:
    return client.headers["Authorization"].removeprefix("Bearer ")


# -- sizes --------------------------------------------------------------------------------------------------------


def test_a_file_of_the_limit_is_taken(small: Served, staff: httpx.Client, customer: str) -> None:
    item = archived(staff, customer, a_text_of(small.settings.limits.upload_bytes_max), name="a.txt")
    assert item["size_bytes"] == small.settings.limits.upload_bytes_max


def test_a_file_of_one_byte_more_is_counted_out_while_it_comes(
    small: Served, staff: httpx.Client, customer: str
) -> None:
    """Its Content-Length may still be within what a form may have around a file of the limit."""
    with wire.nothing_stored(small):
        answer = select_file(staff, customer, a_text_of(small.settings.limits.upload_bytes_max + 1), name="a.txt")
        assert problem_of(answer, 413) == "content-too-large"
        assert "400000 bytes" in answer.json()["detail"]


def test_a_form_that_can_only_be_too_large_is_refused_on_its_length(small: Served, staff: httpx.Client) -> None:
    length = small.settings.limits.upload_bytes_max + 64 * 1024
    too_large = wire.upload(token_of(staff), b"", "Expect: 100-continue", length=length + 1)
    with wire.nothing_stored(small):
        assert (wire.ask(small, too_large)).slug == "content-too-large"


def test_a_json_body_of_the_limit_is_taken_and_one_byte_more_is_not(
    small: Served, staff: httpx.Client, customer: str
) -> None:
    original = {"held": True}
    body = json.dumps({"customer": customer, "type": "GUARDIAN_CONSENT", "original": original}).encode()
    limit = small.settings.limits.json_body_bytes_max
    headers = {"Content-Type": "application/json"}
    assert staff.post("/v1/authorizations", content=body.ljust(limit), headers=headers).status_code == 201
    answer = staff.post("/v1/authorizations", content=body.ljust(limit + 1), headers=headers)
    assert problem_of(answer, 413) == "content-too-large"


def test_pixels_are_limited_on_both_sides(served: Served) -> None:
    """70 megapixels, as shipped."""
    staff, customer = served.as_("staff"), a_customer(served)
    pixels = served.settings.limits.image_pixels_max
    assert archived(staff, customer, a_blank_png(10_000, pixels // 10_000), name="a.png")["preview"] is True
    answer = select_file(staff, customer, a_blank_png(10_000, pixels // 10_000 + 1), name="b.png")
    assert problem_of(answer, 422) == "file-too-many-pixels"


@pytest.mark.parametrize("kind", ["GIF", "WEBP"])
def test_frames_are_limited_on_both_sides(staff: httpx.Client, customer: str, kind: str) -> None:
    assert archived(staff, customer, a_film(kind, 40), name="a.gif")["media_type"] == f"image/{kind.lower()}"
    assert problem_of(select_file(staff, customer, a_film(kind, 41), name="b.gif"), 422) == "file-too-many-pixels"


def test_pages_of_a_pdf_are_limited_on_both_sides(staff: httpx.Client, customer: str) -> None:
    assert archived(staff, customer, a_pdf(3))["pages"] == 3
    assert problem_of(select_file(staff, customer, a_pdf(4)), 422) == "file-too-many-pixels"


def test_pages_of_a_scan_are_limited_on_both_sides(small: Served, staff: httpx.Client) -> None:
    """By their place, from whoever they come; what is there stays, and no pass begins for which there is no place."""
    station = a_station(small)
    of = started(staff, scanner=station.scanner("feeder"))
    job = station.job(of)
    assert [station.send(job, sheet).status_code for sheet in (1, 2, 3)] == [201] * 3
    assert problem_of(station.send(job, 4), 422) == "scanner-too-many-pages"
    station.finish(job, "scanner-too-many-pages")
    for refused in (scan_page(staff, of, 4, a_page()), confirm(staff, of)):
        assert problem_of(refused, 422) == "scanner-too-many-pages"
    assert len(session(staff, of)["pages"]) == 3
    assert arrange(staff, of, 2, "remove").status_code == 200
    assert confirm(staff, of).status_code == 202
    assert station.send(station.job(of, 2), 1).status_code == 201


# -- texts --------------------------------------------------------------------------------------------------------


def test_a_name_of_the_limit_stays_and_a_longer_one_is_cut_with_its_ending_kept(
    staff: httpx.Client, customer: str
) -> None:
    for given, shown in (("é" * 16 + ".txt", "é" * 16 + ".txt"), ("é" * 17 + ".txt", "é" * 16 + ".txt")):
        assert archived(staff, customer, a_text(), name=given)["file_name"] == shown


def test_a_note_of_the_limit_is_taken_everywhere(staff: httpx.Client, customer: str) -> None:
    note = "é" * 40
    item = archived(staff, customer, note=note)
    assert item["note"] == note
    assert noted(staff, customer, note=note)["note"] == note
    assert corrected(staff, item, "describe", note="ü" * 40)["note"] == "ü" * 40


def test_a_note_of_one_character_more_is_named_everywhere(staff: httpx.Client, customer: str) -> None:
    note, item = "é" * 41, archived(staff, customer)
    assert pointers(select_file(staff, customer, note=note)) == {"/form/note"}
    assert pointers(no_upload(staff, customer, note=note)) == {"/note"}
    body = {"note": note, "reason": "because"}
    answer = staff.post(f"/v1/documents/{item['id']}/describe", json=body, headers={"If-Match": '"1"'})
    assert pointers(answer) == {"/note"}


def test_a_page_of_a_list_has_the_default_and_at_most_the_limit(staff: httpx.Client, customer: str) -> None:
    last = [noted(staff, customer)["position"] for _ in range(7)][-1]
    for address in (f"/v1/customers/{customer}/documents", f"/v1/customers/{customer}/history", "/v1/history"):
        shown = {
            limit: len(staff.get(address, params={"limit": limit} if limit else {}, headers=at(last)).json()["items"])
            for limit in (None, 1, 5)
        }
        assert shown == {None: 3, 1: 1, 5: 5}, address
        for wrong in (0, 6, 10**9):
            assert pointers(staff.get(address, params={"limit": wrong})) == {"/query/limit"}, address


# -- times --------------------------------------------------------------------------------------------------------


def swept(small: Served) -> None:
    """What the projector does every hour."""
    with open_store(small.settings, small.database_url, role=None) as store:
        sweep(store, small.settings.limits)


def test_an_idempotency_key_is_known_for_its_hours_and_no_longer(small: Served, staff: httpx.Client) -> None:
    first, second = a_customer(small), a_customer(small)
    for age_minutes, known in ((59, True), (61, False)):
        key = {"Idempotency-Key": f"aged-{secrets.token_hex(8)}"}
        noted(staff, first, headers=key)
        aged = "update archive.command set recorded_at = recorded_at - make_interval(mins => %s) where key = %s"
        small.sql(aged, [age_minutes, small.key_at_rest(key["Idempotency-Key"])])
        swept(small)
        answer = no_upload(staff, second, headers=key)
        if known:
            assert problem_of(answer, 422) == "idempotency-key-reused"
        else:
            assert answer.status_code == 201


def test_an_orphan_is_left_for_its_hours_and_then_swept(small: Served) -> None:
    def orphan(age_seconds: float) -> Path:
        key = str(uuid4())
        path = small.settings.content_directory / key[-2:] / key
        path.write_bytes(b"nobody's")
        os.utime(path, (time.time() - age_seconds,) * 2)
        return path

    young, old = orphan(HOUR_SECONDS - 60), orphan(HOUR_SECONDS + 60)
    swept(small)
    assert (young.exists(), old.exists()) == (True, False)
    young.unlink()
    assert small.contents() == small.named_contents()


def test_a_form_can_be_signed_for_its_days_and_says_so(small: Served, staff: httpx.Client, customer: str) -> None:
    """The day on which it lapses is the last one; what comes after it needs another clock."""
    days = [today(small)]
    made = issued(staff, customer)
    days.append(today(small))
    history = staff.get(f"/v1/authorizations/{made['authorization']['id']}/history", headers=at(made["position"]))
    [item] = history.json()["items"]
    assert item["after"]["lapses_on"] in {(day + timedelta(days=3)).isoformat() for day in days}
    assert hand_in(staff, made["scan_code"]).status_code == 201


def today(small: Served) -> date:
    return datetime.now(ZoneInfo(small.settings.timezone)).date()


def test_a_check_is_good_for_its_seconds_and_no_longer(small: Served, staff: httpx.Client, customer: str) -> None:
    first, second = (issued(staff, customer)["scan_code"] for _ in range(2))
    assert hand_in(staff, first, check_token=token_for(staff, first)).status_code == 201
    token = token_for(staff, second)
    time.sleep(small.settings.limits.check_token_seconds)
    assert problem_of(hand_in(staff, second, check_token=token), 409) == "check-required"
    assert hand_in(staff, second, check_token=token_for(staff, second)).status_code == 201


# -- people ---------------------------------------------------------------------------------------------------------


def sign_in(small: Served, user: str, password: str) -> int:
    return small.browser().post("/v1/session", json={"user": user, "password": password}).status_code


def test_a_session_lasts_an_hour_and_two_minutes_of_nobody(small: Served) -> None:
    browser = small.as_user("staff")
    move = "update staff.session set created_at = now() - %s::interval, last_seen_at = now() - %s::interval"
    for created, seen, status in (
        ("59 minutes", "0", 200),
        ("59 minutes", "115 seconds", 200),
        ("0", "121 seconds", 401),
        ("61 minutes", "0", 401),
    ):
        small.sql(move, [created, seen])
        assert browser.get("/v1/session").status_code == status, (created, seen)


def test_misses_of_passwords_are_two_a_minute(small: Served) -> None:
    name = f"user-{secrets.token_hex(4)}"
    password = small.new_user(name, "staff")
    small.sql("delete from staff.attempt")
    assert [sign_in(small, name, guess) for guess in ("wrong", "wrong", password)] == [401, 401, 429]
    small.sql("update staff.attempt set at = at - interval '1 minute'")
    assert sign_in(small, name, password) == 201


def test_misses_from_an_address_are_four_a_minute(small: Served) -> None:
    small.sql("delete from staff.attempt")
    assert [sign_in(small, f"nobody-{n}", "wrong") for n in range(5)] == [401] * 4 + [429]
    small.sql("delete from staff.attempt")


def test_a_password_of_fifteen_characters_is_long_enough(small: Served) -> None:
    name, browser = f"user-{secrets.token_hex(4)}", small.browser()
    small.come_in(browser, name, small.new_user(name, "staff"))
    assert pointers(browser.put("/v1/session/password", json={"new": "x" * 14})) == {"/new"}
    assert browser.put("/v1/session/password", json={"new": "x" * 15}).status_code == 200


def test_a_one_time_password_is_good_for_a_day(small: Served) -> None:
    for age, status in (("23 hours", 201), ("25 hours", 401)):
        name = f"user-{secrets.token_hex(4)}"
        password = small.new_user(name, "staff")
        age_it = "update staff.password set made_at = now() - %s::interval where user_name = %s"
        small.sql(age_it, [age, name])
        small.sql("delete from staff.attempt")
        assert sign_in(small, name, password) == status


def test_misses_of_codes_are_taken_up_to_the_limit_and_then_nothing_is(small: Served, customer: str) -> None:
    guesser = small.client(small.new_token(f"guesser-{secrets.token_hex(4)}", "staff"))
    code = issued(guesser, customer)["scan_code"]
    for n in range(small.settings.limits.check_misses_per_minute_max):
        assert check(guesser, code).status_code == 200, n
        assert problem_of(check(guesser, "x"), 422) == "scan-code-malformed", n
    assert problem_of(check(guesser, code), 429) == "too-many-requests"


def test_a_scan_whose_station_is_silent_for_its_seconds_fails_and_keeps_its_pages(
    small: Served, staff: httpx.Client
) -> None:
    """The follower of the running archive sees to it."""
    station = a_station(small)
    of = started(staff, scanner=station.scanner("feeder"))
    assert station.send(station.job(of), 1).status_code == 201
    wait_until(lambda: session(staff, of)["state"] == "failed", 30, "the scan was not given up")
    now = session(staff, of)
    assert (now["problem"]["type"], len(now["pages"])) == ("/problems/scanner-offline", 1)


def test_a_position_that_comes_in_time_is_waited_for(small: Served, staff: httpx.Client, customer: str) -> None:
    before = noted(staff, customer)["position"]
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(view, staff, customer, before + 1)
        noted(staff, customer)
        assert len(reading.result()) == 2


def test_a_position_that_does_not_come_in_time_is_unavailable(staff: httpx.Client, customer: str) -> None:
    last = noted(staff, customer)["position"]
    answer = staff.get(f"/v1/customers/{customer}/documents", headers=at(last + 1))
    assert problem_of(answer, 503) == "unavailable"
    assert answer.headers["Retry-After"] == "1"


def test_a_file_that_takes_the_decoder_too_long_is_refused_and_the_next_is_not(
    small: Served, staff: httpx.Client, customer: str
) -> None:
    """The child is ended by the kernel; another takes its place."""
    slow = a_slow_tiff(small.settings.limits.image_frames_max)
    with wire.nothing_stored(small):
        assert problem_of(select_file(staff, customer, slow, name="slow.tif"), 422) == "file-too-many-pixels"
    assert archived(staff, customer)["preview"] is True


# -- slow and many ------------------------------------------------------------------------------------------------


def held(small: Served, staff: httpx.Client, customer: str, count: int, *, sent: int = -1) -> list[Any]:
    """Uploads that have begun and stand still; each has a place, and by its first bytes a rate worth one."""
    body, begun = wire.form(customer, a_text_of(8_000), name="a.txt"), len(wire.open_temporaries(small))
    sockets = [wire.connect(small) for _ in range(count)]
    for client in sockets:
        client.sendall(wire.upload(token_of(staff), body[:sent], length=len(body)))
    wait_until(lambda: len(wire.open_temporaries(small)) >= begun + count, 10, "the uploads did not begin")
    return sockets


@pytest.fixture
def other(small: Served) -> httpx.Client:
    return small.as_("staff", branch="other")


def test_uploads_at_once_over_the_limit_are_told_to_come_back(
    small: Served, staff: httpx.Client, other: httpx.Client, customer: str
) -> None:
    with ExitStack() as sockets:
        for client in held(small, other, customer, 5):
            sockets.enter_context(client)
        assert select_file(staff, customer).status_code == 201
        [last] = held(small, staff, customer, 1)
        sockets.enter_context(last)
        answer = select_file(staff, customer)
        assert problem_of(answer, 503) == "unavailable"
        assert answer.headers["Retry-After"] == "1"
    assert select_file(staff, customer).status_code == 201


def test_uploads_of_one_caller_over_the_limit_wait_for_its_own_and_others_do_not(
    small: Served, staff: httpx.Client, other: httpx.Client, customer: str
) -> None:
    with ExitStack() as sockets:
        for client in held(small, other, customer, 4):
            sockets.enter_context(client)
        assert select_file(other, customer).status_code == 201
        [last] = held(small, other, customer, 1)
        sockets.enter_context(last)
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(select_file, other, customer)
            assert select_file(staff, customer).status_code == 201
            answer = waiting.result()
        assert problem_of(answer, 503) == "unavailable"
        assert answer.headers["Retry-After"] == "1"
    assert select_file(other, customer).status_code == 201


def test_the_slowest_upload_of_others_gives_way_and_the_rest_keep_their_places(
    small: Served, staff: httpx.Client, other: httpx.Client, customer: str
) -> None:
    [slow] = held(small, other, customer, 1, sent=500)
    with ExitStack() as sockets:
        for client in [slow, *held(small, other, customer, 4), *held(small, staff, customer, 1)]:
            sockets.enter_context(client)
        assert select_file(staff, customer).status_code == 201
        [answer] = parse(drain(slow))
        assert (answer.status, answer.slug, answer.headers["retry-after"]) == (408, "request-timeout", "1")
        assert "while others waited" in answer.problem["detail"]
    wait_until(lambda: wire.open_temporaries(small) == [], 10, "a temporary file stays open")
    assert len(view(staff, customer)) == 1


def test_who_waits_for_a_place_that_comes_free_in_time_is_served(
    small: Served, staff: httpx.Client, other: httpx.Client, customer: str
) -> None:
    sockets = [*held(small, other, customer, 5), *held(small, staff, customer, 1)]
    with ThreadPoolExecutor(1) as pool, ExitStack() as rest:
        for client in sockets[1:]:
            rest.enter_context(client)
        waiting = pool.submit(select_file, staff, customer)
        sockets[0].close()
        assert waiting.result().status_code == 201


Feed = Callable[[Callable[[int], bool]], None]


def pauses_within_the_grace(send: Callable[[int], bool]) -> None:
    send(1000)
    time.sleep(0.5)


def keeps_the_rate(send: Callable[[int], bool]) -> None:
    """Three seconds: longer than the grace, shorter than the whole time."""
    for _ in range(12):
        send(4000)
        time.sleep(0.25)


def stands_still(send: Callable[[int], bool]) -> None:
    while send(0):
        time.sleep(0.05)


def falls_behind_the_rate(send: Callable[[int], bool]) -> None:
    send(2000)
    while send(100):
        time.sleep(0.2)


def takes_too_long_in_all(send: Callable[[int], bool]) -> None:
    while send(1000):
        time.sleep(0.1)


SLOW: dict[Feed, int] = {
    pauses_within_the_grace: 201,
    keeps_the_rate: 201,
    stands_still: 408,
    falls_behind_the_rate: 408,
    takes_too_long_in_all: 408,
}


def test_slow_uploads_are_taken_within_grace_rate_and_time_and_else_given_up(
    small: Served, staff: httpx.Client
) -> None:
    """All at once, each on a connection and for a customer of its own."""
    customers = {feed: a_customer(small) for feed in SLOW}
    with ThreadPoolExecutor(len(SLOW)) as pool:
        answers = dict(zip(SLOW, pool.map(lambda feed: fed(small, staff, customers[feed], feed), SLOW), strict=True))
    assert {feed.__name__: answer.status for feed, answer in answers.items()} == {
        feed.__name__: status for feed, status in SLOW.items()
    }
    assert {answer.slug for answer in answers.values() if answer.status != 201} == {"request-timeout"}
    assert small.contents() == small.named_contents()
    wait_until(lambda: wire.open_temporaries(small) == [], 10, "a temporary file stays open")
    for feed, status in SLOW.items():
        assert len(view(staff, customers[feed])) == (status == 201)


def fed(small: Served, staff: httpx.Client, customer: str, feed: Feed) -> Answer:
    """An upload sent as the feed says, then the rest at once, unless it was answered before."""
    body = wire.form(customer, a_text_of(80_000), name="a.txt")
    with wire.connect(small) as client:
        client.sendall(wire.upload(token_of(staff), b"", length=len(body)))
        sent = 0

        def send(count: int) -> bool:
            nonlocal sent
            if select.select([client], [], [], 0)[0] or sent + count > len(body):
                return False
            client.sendall(body[sent : sent + count])
            sent += count
            return True

        feed(send)
        if not select.select([client], [], [], 0)[0]:
            client.sendall(body[sent:])
        [answer] = parse(drain(client))
    return answer


# -- Host ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["elsewhere.example", "localhost.elsewhere.example", "127.0.0.2", "xlocalhost"])
def test_a_foreign_host_is_refused_where_hosts_are_named_and_stores_nothing(
    small: Served, staff: httpx.Client, customer: str, host: str
) -> None:
    form = wire.form(customer, a_text(), name="a.txt")
    with wire.nothing_stored(small):
        answer = wire.ask(small, wire.upload(token_of(staff), form, host=host))
        assert (answer.status, answer.slug) == (400, "malformed-request")
        assert "another server" in answer.problem["detail"]
    own = wire.ask(small, wire.upload(token_of(staff), form, host=f"LOCALHOST.:{small.settings.port}"))
    assert own.status == 201
