"""Storage backends, installed as `imges.backends`; opened through the registry in `imges.storage`, not imported."""
