"""Set-up files for clients that read one."""

from typing import Any

PLACEHOLDER = "YOUR-API-KEY"
"""Stands in place of the API key. A key is written into a file only if the user gave it."""


def sxcu(endpoint: str, name: str, key: str = PLACEHOLDER) -> dict[str, Any]:
    """A custom uploader of ShareX 13 and later (getsharex.com/docs/custom-uploader)."""
    return {
        "Version": "14.1.0",
        "Name": name,
        "DestinationType": "ImageUploader",
        "RequestMethod": "POST",
        "RequestURL": endpoint,
        "Headers": {"X-API-Key": key},
        "Body": "MultipartFormData",
        "Arguments": {"format": "json"},
        "FileFormName": "source",
        "URL": "{json:image.url}",
        "ThumbnailURL": "{json:image.thumb.url}",
        "DeletionURL": "{json:image.delete_url}",
        "ErrorMessage": "{json:error.message}",
    }


def iscu(endpoint: str, name: str, key: str = PLACEHOLDER) -> dict[str, Any]:
    """A custom uploader of ishare, for macOS."""
    return {
        "name": name,
        "requestURL": endpoint,
        "headers": {"X-API-Key": key},
        "formData": {"format": "json"},
        "fileFormName": "source",
        "requestBodyType": "multipartFormData",
        "responseURL": "{{image.url}}",
        "deletionURL": "{{image.delete_url}}",
    }
