"""The bytes of pictures and static files."""
