"""How fast imges is, in one table: `make bench`, `make bench-quick`, `make bench-catalog`."""
