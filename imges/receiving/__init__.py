"""Turns a source into a file on the spool: a form's file, base64, or the picture at a URL."""
