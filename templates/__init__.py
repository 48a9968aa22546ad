"""Pages (Jinja2) and their static files, installed as `imges.templates`."""
