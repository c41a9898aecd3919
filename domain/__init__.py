"""The domain: words, rules and use cases. Pure Python without I/O; store/ and api/ are built around it."""
