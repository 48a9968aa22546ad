"""Decides who may upload and how much: API keys, limits per client address, room on the disk."""
