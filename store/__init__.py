"""Where it rests: event log, keys, content and the embedded Postgres; domain/ says what it means."""
