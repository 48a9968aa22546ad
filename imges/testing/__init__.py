"""The conformance suite of storage backends, for ours and for those of third parties. Three lines run it:

class TestMine(StorageConformance):
    @pytest.fixture
    def open_storage(self, tmp_path): return partial(open_place, {"type": "mine", "root": tmp_path})
"""

import pytest

pytest.register_assert_rewrite("imges.testing.conformance")

from imges.testing.conformance import OpenStorage, StorageConformance, open_place, read  # noqa: E402

__all__ = ["OpenStorage", "StorageConformance", "open_place", "read"]
