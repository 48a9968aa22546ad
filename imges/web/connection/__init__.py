"""Below HTTP: connections, proxies, request ids, and the end of a server."""
