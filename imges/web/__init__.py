"""HTTP: handlers that parse, call one use case, and present."""
