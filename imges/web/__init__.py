"""HTTP: handlers that read a request, call one use case, and answer."""
