"""What the control groups of this process allow."""

from pathlib import Path

import pytest

from imges.processes import machine

MB = 2**20


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(machine, "GROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(machine, "OF_PROCESS", tmp_path / "of-process")
    return tmp_path


def made(groups: Path, of_process: str, **files: str) -> None:
    (groups / "of-process").write_text(of_process)
    for name, text in files.items():
        file = groups / "cgroup" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{text}\n")


def test_a_unit_of_systemd_has_the_least_of_its_own_limit_and_those_above(groups: Path):
    unit = "system.slice/imges.service"
    made(groups, f"0::/{unit}\n", **{f"{unit}/memory.max": "max", f"{unit}/memory.high": str(300 * MB)})
    assert machine.memory() == 300 * MB
    made(groups, f"0::/{unit}\n", **{"system.slice/memory.max": str(200 * MB), f"{unit}/cpu.max": "150000 100000"})
    assert machine.memory() == 200 * MB
    assert machine.cores() <= 2


def test_a_container_has_its_limits_at_the_top(groups: Path):
    made(groups, "0::/docker/of-the-host\n", **{"memory.max": str(512 * MB), "cpu.max": "100000 100000"})
    assert (machine.memory(), machine.cores()) == (512 * MB, 1)


def test_version_1(groups: Path):
    limits = {
        "memory/a/memory.limit_in_bytes": str(128 * MB),
        "cpu/cpu.cfs_quota_us": "50000",
        "cpu/cpu.cfs_period_us": "100000",
    }
    made(groups, "4:memory:/a/b\n3:cpuset:/x\n1:cpu,cpuacct:/\n0::/\n", **limits)
    assert (machine.memory(), machine.cores()) == (128 * MB, 1)


def test_without_groups_it_is_the_machines(groups: Path):
    assert (machine.memory() or 0) > 512 * MB
    assert machine.cores() >= 1


@pytest.mark.parametrize(("there", "decoders"), [(None, 512), (128, 96), (512, 170), (900, 300), (64_000, 512)])
def test_decoders_get_a_third(there: int | None, decoders: int):
    assert machine.decoders_memory(there and there * MB) // MB == decoders
