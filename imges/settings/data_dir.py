"""Makes the data folder and tries it, before anything is stored in it."""

import tempfile

from imges.durable import make_folders
from imges.errors import SettingsError
from imges.settings.model import Settings


def prepare_data_dir(settings: Settings) -> None:
    """Makes `data_dir` (0711) if it is missing, and writes a file. Raises `SettingsError` if that fails."""
    folder = settings.data_dir
    try:
        if not folder.exists():
            make_folders(folder)
            folder.chmod(0o711)  # whatever the umask: a proxy goes through it to the pictures, and lists nothing
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        reason = error.strerror or "it cannot be used"
        raise SettingsError(f"data_dir is '{folder}': should be a folder that can be written ({reason})") from None
