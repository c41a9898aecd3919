"""What the archive is: words, rules and use cases. Pure: no I/O here; store/ and api/ stand around it."""
