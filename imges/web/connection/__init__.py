"""Below HTTP: connections, proxies, request ids, and the end of a server.

client_connection    one client's connection: its time limits, and what malformed HTTP is answered
├─ aiohttp_connection  the only file that touches aiohttp's private state
├─ connection_limits   how many connections there may be
└─ request_framing     requests whose end a proxy may see elsewhere
server               serves the application on the sockets that `sockets` binds
drain                ends it: running requests are finished (`shutdown`: what has to know)
proxies              the client's address and ours, seen through trusted proxies
request_ids          an id for each request
"""
