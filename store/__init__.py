"""Storage: event log, keys, content and the embedded Postgres; domain/ defines the meaning."""
