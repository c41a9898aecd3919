"""What archives in use have stored must be read for ever: every topic's golden bytes (tests/store/golden/README.md)."""

from collections import defaultdict

import msgspec
import pytest

from store.mapper import BY_TOPIC, PLANS
from store.upcasts import UPCASTS
from tests.builders import golden
from tests.builders.events import BY_KIND, an_envelope
from tests.builders.history import git

CURRENT = sorted(plan.topic for kind, plan in PLANS.items() if kind not in UPCASTS)


def test_every_topic_has_its_golden_file_and_none_was_taken_away() -> None:
    """A new class: `.venv/bin/python -m tests.builders.golden`. A missing one: its bytes can no longer be read."""
    assert golden.topics() == sorted(BY_TOPIC)


def test_no_golden_file_was_changed_or_taken_away() -> None:
    """Only new files come, each with its line in SHA256SUMS (`python -m tests.builders.golden` adds it)."""
    assert golden.sums_now() == golden.sums()


def test_every_golden_file_has_had_one_content_in_all_commits_since_they_were_frozen() -> None:
    """A file and its line in SHA256SUMS can be changed together; then the history tells, where there is one."""
    frozen = git("log", "--format=%H", "--diff-filter=A", "--", "tests/store/golden/SHA256SUMS").split()
    since = f"{frozen[-1]}..HEAD" if frozen else "HEAD..HEAD"
    raw = git("log", "--format=", "--raw", "--no-renames", "--no-abbrev", since, "--", "tests/store/golden")
    contents = defaultdict[str, set[str]](set)
    for line in raw.splitlines():
        (_, _, *blobs, _), path = line.partition("\t")[0].split(), line.partition("\t")[2]
        contents[path] |= {blob for blob in blobs if blob.strip("0")}
    assert [path for path, found in contents.items() if path.endswith(".json") and len(found) > 1] == []


def test_no_two_classes_share_a_topic() -> None:
    assert len(BY_TOPIC) == len(PLANS)


@pytest.mark.parametrize("topic", golden.topics())
def test_golden_bytes_read_as_they_always_did(topic: str) -> None:
    file = golden.of(topic)
    envelope = file.mapper().open_event(file.stream, file.version, topic, bytes.fromhex(file.state))
    assert golden.plain(envelope.body) == golden.reading(topic, type(envelope.body).topic)
    assert (envelope.originator_id, envelope.originator_version) == (file.stream, file.version)
    assert envelope.meta == file.meta


@pytest.mark.parametrize("topic", golden.topics())
def test_golden_bytes_without_their_key_keep_what_is_clear(topic: str) -> None:
    file = golden.of(topic)
    envelope = file.mapper(erased=True).open_event(file.stream, file.version, topic, bytes.fromhex(file.state))
    body, whole = golden.plain(envelope.body), golden.reading(topic, type(envelope.body).topic)
    erased = {field for field in whole if field not in body}
    assert body == {field: value for field, value in whole.items() if field not in erased}
    assert erased == set(PLANS[type(envelope.body)].sealed)


@pytest.mark.parametrize("topic", CURRENT)
def test_the_same_event_is_written_as_the_same_bytes(topic: str) -> None:
    file = golden.of(topic)
    event = msgspec.convert(file.event, BY_TOPIC[topic].event_class)
    stored = file.mapper().to_stored_event(an_envelope(event, file.stream, file.version, file.meta))
    assert (stored.topic, stored.state.hex()) == (topic, file.state)


def test_every_class_that_is_written_has_an_example_with_every_field() -> None:
    assert {kind for kind in PLANS if kind not in UPCASTS} == BY_KIND.keys()
    for event in BY_KIND.values():
        assert None not in [getattr(event, field) for field in event.__struct_fields__]


def test_an_outdated_class_is_read_as_one_that_is_written() -> None:
    for kind in UPCASTS:
        file = golden.of(PLANS[kind].topic)
        envelope = file.mapper().open_event(file.stream, file.version, file.topic, bytes.fromhex(file.state))
        assert type(envelope.body) not in UPCASTS
