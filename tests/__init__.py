"""The whole check; one folder for each kind of test, shared fixtures in tests/fixtures by subject."""
