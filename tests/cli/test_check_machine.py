"""What `imges check` says about this machine. `test_check` runs the command."""

import resource
import time
from pathlib import Path

import pytest

from imges.cli import check_machine
from imges.cli.check_findings import Finding
from imges.processes import machine
from imges.settings import Settings, load_settings

MB = 2**20


def settings(tmp_path: Path, **given: str) -> Settings:
    environ = {f"IMGES__{name}": value for name, value in given.items()}
    return load_settings(environ=environ | {"IMGES__DATA_DIR": str(tmp_path / "data")})


def grades(findings: list[Finding]) -> list[str]:
    return [finding.grade for finding in findings]


@pytest.mark.parametrize(
    ("free", "grade"), [(99 * MB, "WRONG"), (100 * MB, "note"), (300 * MB - 1, "note"), (300 * MB, "good")]
)
def test_room_below_the_reserve_is_wrong_and_little_room_is_doubtful(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, grade: str
):
    monkeypatch.setattr(check_machine, "free_bytes", lambda folder: free)
    given = settings(tmp_path, LIMITS__DISK_RESERVE="100 MB", IMAGES__MAX_SIZE="20 MB")
    assert grades(list(check_machine.disk(given))) == [grade]
    small_reserve = settings(tmp_path, LIMITS__DISK_RESERVE="1 MB", IMAGES__MAX_SIZE="100 MB")
    assert grades(list(check_machine.disk(small_reserve))) == ["good" if grade == "good" else "note"]


def test_a_clock_before_the_release_is_wrong(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(check_machine, "_kernel_says_unsynchronised", lambda: False)
    monkeypatch.setattr(time, "time", lambda: check_machine.RELEASED - 1)
    assert grades(list(check_machine.clock())) == ["WRONG"]
    monkeypatch.setattr(time, "time", lambda: check_machine.RELEASED)
    assert grades(list(check_machine.clock())) == ["good"]
    monkeypatch.setattr(check_machine, "_kernel_says_unsynchronised", lambda: True)
    assert grades(list(check_machine.clock())) == ["note"]


def test_the_memory_of_a_container_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(machine, "GROUPS", tmp_path)
    limit = tmp_path / "memory.max"
    given = settings(tmp_path, IMAGES__MEMORY="400 MB", IMAGES__WORKERS="1", IMAGES__MAX_PIXELS="1 MP")
    needed = 400 * MB + check_machine.PROCESS + check_machine.WORKER
    for text, grade in ((str(needed - 1), "WRONG"), (str(needed), "good"), ("max", "good")):
        limit.write_text(f"{text}\n")
        assert grades(list(check_machine.memory(given)))[0] == grade, text


def test_formats_that_never_fit_into_memory_are_named(tmp_path: Path):
    given = settings(tmp_path, IMAGES__MEMORY="48 MB", IMAGES__FORMATS="[jpg, gif]")
    found = [finding.found for finding in check_machine.memory(given) if "megapixels" in finding.found]
    assert len(found) == 1
    assert found[0].startswith("gif of 24 megapixels take more than images.memory (48 MB)")


@pytest.mark.parametrize(("limit", "count"), [(1023, 1), (1024, 0)])
def test_few_open_files_are_doubtful(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int, count: int):
    monkeypatch.setattr(resource, "getrlimit", lambda _: (limit, limit))
    found = list(check_machine.memory(settings(tmp_path)))
    assert sum("may open" in finding.found for finding in found) == count


def test_the_data_folder_must_let_nginx_pass_and_keep_its_secrets(tmp_path: Path):
    given = settings(tmp_path, SERVER__ACCEL_REDIRECT="/protected")
    assert grades(list(check_machine.data_folder(given))) == ["good"]
    for name in ("api.key", "imges.db"):
        (given.data_dir / name).touch(0o600)
    assert grades(list(check_machine.data_folder(given))) == ["good"]
    (given.data_dir / "api.key").chmod(0o604)
    (given.data_dir / "imges.db").chmod(0o640)
    given.data_dir.chmod(0o700)
    found = list(check_machine.data_folder(given))
    assert [finding.change for finding in found[1:]] == [
        f"chmod o+x {given.data_dir}",
        f"chmod 0600 {given.data_dir}/api.key",
        f"chmod 0600 {given.data_dir}/imges.db",
    ]
