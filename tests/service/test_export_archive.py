"""`dossier export archive`: everything as an OCFL storage root, which another program can check and read."""

import hashlib
import json
from pathlib import Path
from typing import Any

import ocfl

from domain.access import Rights
from service.ocfl import place_of
from tests.builders.papers import a_caller, an_upload
from tests.service.program import NOTE, Program, paper_of


def export(archive: Program, folder: Path, code: int = 0) -> Any:
    done = archive.run("export", "archive", folder, "--json", code=code)
    return json.loads(done.out) if done.out else None


def require_valid(root: Path, objects: int) -> None:
    """Each object on its own as well: the validation of a root passes over what it does not take for an object."""
    store = ocfl.StorageRoot(root=str(root))
    assert store.validate()
    assert store.num_objects == store.good_objects == objects
    found = [path.parent for path in root.rglob("0=ocfl_object_1.1")]
    assert len(found) == objects
    for place in found:
        passed, validator = ocfl.Object().validate(str(place))
        assert passed, validator.log.messages
        assert validator.log.messages == [], "no warning either"


def object_of(root: Path, name: str) -> Path:
    return root / place_of(name)


def test_the_root_is_valid_and_has_every_stream(archive: Program, tmp_path: Path) -> None:
    archive.some_of_each()
    [[streams]] = archive.sql("select count(distinct originator_id) from archive.archive_events")
    [[events]] = archive.sql("select count(*) from archive.archive_events")
    done = export(archive, tmp_path / "root")
    assert done["objects"] == streams + 1
    require_valid(tmp_path / "root", streams + 1)
    lines = [line for path in tmp_path.rglob("events.jsonl") for line in path.read_bytes().splitlines()]
    assert len({json.loads(line)["position"] for line in lines}) == events


def test_a_document_has_its_events_in_clear_and_each_content_by_digest(archive: Program, tmp_path: Path) -> None:
    letter = archive.letter(size_bytes=200_000)
    body = letter.recorded[0].envelope.body
    export(archive, tmp_path / "root")
    place = object_of(tmp_path / "root", f"urn:uuid:{paper_of(letter)}")
    [content] = place.glob("v1/content/1-*")
    assert hashlib.sha256(content.read_bytes()).digest() == body.sha256
    assert NOTE in (place / "v1" / "content" / "events.jsonl").read_text(encoding="utf-8")


def test_a_replaced_content_is_a_version_and_equal_bytes_are_stored_once(archive: Program, tmp_path: Path) -> None:
    letter, first, second = archive.letter(), an_upload(b"%PDF-1.7 one"), an_upload(b"%PDF-1.7 two", name="two.pdf")
    paper, rights = paper_of(letter), Rights([*archive.archive.catalogues.load_types()])
    for upload in (first, second, first):
        archive.archive.corrections.replace_content(
            paper, upload, "a better scan", a_caller(), rights=rights, expected_version=None
        )
    export(archive, tmp_path / "root")
    place = object_of(tmp_path / "root", f"urn:uuid:{paper}")
    inventory = json.loads((place / "inventory.json").read_bytes())
    assert inventory["head"] == "v4"
    states = [
        sorted(path for paths in inventory["versions"][f"v{n}"]["state"].values() for path in paths) for n in (2, 3, 4)
    ]
    assert [state[0][:2] for state in states] == ["2-", "3-", "4-"]
    assert not [*place.glob("v4/content/4-*")], "it is the file of v2"
    passed, validator = ocfl.Object().validate(str(place))
    assert passed, validator.log.messages


def test_the_register_ties_references_to_customers(archive: Program, tmp_path: Path) -> None:
    archive.letter()
    export(archive, tmp_path / "root")
    place = object_of(tmp_path / "root", "urn:dossier:register") / "v1" / "content" / "customers.jsonl"
    told = {line["id"]: line for line in map(json.loads, place.read_bytes().splitlines())}
    assert told["100234"]["reference"] is not None
    assert told["100235"]["reference"] is None
    assert told["100235"]["entry"]["card_numbers"] == []


def test_an_export_is_an_event_and_a_line_of_the_access_log(archive: Program, tmp_path: Path) -> None:
    done = export(archive, tmp_path / "root")
    archive.follow()
    assert archive.sql("select action, customer from access.log") == [("export", None)]
    [[position]] = archive.sql("select after ->> 'position' from views.audit_history where action = 'archive-exported'")
    assert int(position) == done["position"]


def test_a_folder_with_files_is_left_alone(archive: Program, tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "other").touch()
    export(archive, tmp_path / "root", code=5)
