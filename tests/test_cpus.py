"""Which CPUs a process and its children use."""

import json
import os
import subprocess
import sys

import pytest

CODE = """
import json, os, sys
from imges import cpus
before = sorted(os.sched_getaffinity(0))
found = [sorted(cpus.given())]
cpus.keep_to_one(int(sys.argv[1]))
found += [sorted(os.sched_getaffinity(0)), sorted(cpus.given())]
cpus.use(frozenset())
found.append(sorted(os.sched_getaffinity(0)))
cpus.use(cpus.given())
found.append(sorted(os.sched_getaffinity(0)))
print(json.dumps([before, found]))
"""


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system has no CPU affinity")
@pytest.mark.parametrize("number", [0, 1, 7])
def test_a_serving_process_keeps_to_one_cpu_and_its_children_get_all(number: int):
    ran = subprocess.run([sys.executable, "-c", CODE, str(number)], capture_output=True, text=True, check=True)
    before, found = json.loads(ran.stdout)
    one = [before[number % len(before)]]
    assert found == [[], one, before, one, before]
