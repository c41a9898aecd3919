"""What browsers load and others wrote: each file is the one that its manifest names, with its licence beside it."""

import base64
import hashlib
import json

from desk.assets import FOLDER, MEDIA_TYPES

VENDOR = FOLDER / "vendor"


def test_each_vendored_file_is_the_one_of_the_manifest() -> None:
    manifest = json.loads((VENDOR / "MANIFEST.json").read_text())
    assert {file.name for file in VENDOR.iterdir() if file.suffix in MEDIA_TYPES} == set(manifest)
    for name, about in manifest.items():
        digest = hashlib.sha384((VENDOR / name).read_bytes()).digest()
        assert base64.b64encode(digest).decode() == about["sha384"], name


def test_each_vendored_package_has_its_licence_beside_it() -> None:
    manifest = json.loads((VENDOR / "MANIFEST.json").read_text())
    licences = {file.name.removeprefix("LICENSE.").lower() for file in VENDOR.glob("LICENSE.*")}
    assert {about["package"].removesuffix("-dist") for about in manifest.values()} <= licences
