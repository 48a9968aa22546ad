"""API v1 over HTTP: what an upload request says, and what it is answered."""
