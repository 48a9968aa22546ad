"""Clients that other people wrote, unchanged: they upload to a running imges as they do to their own host."""
