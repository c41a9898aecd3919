"""What holds for every test: a clean environment, no network, no silent skips. Fixtures stand in tests/fixtures."""

import os

import hypothesis
import pytest

# A helper's bare assertion then says what it compared, as one in a test does.
pytest.register_assert_rewrite("tests.browser", "tests.builders", "tests.http", "tests.service", "tests.store")

pytest_plugins = ["tests.fixtures.archive", "tests.fixtures.database", "tests.fixtures.long", "tests.fixtures.network",
                  "tests.fixtures.skips", "tests.fixtures.times"]  # fmt: skip

# The operator's own settings must not reach a test, least of all the address of a database in use.
asked_for = ("DOSSIER_LONG", "DOSSIER_SCREENSHOTS")
for name in [name for name in os.environ if name.startswith("DOSSIER_") and name not in asked_for]:
    del os.environ[name]

# A slow machine is no failure; what an example finds is kept in .hypothesis.
hypothesis.settings.register_profile("dossier", deadline=None)
hypothesis.settings.load_profile("dossier")
