"""schemathesis asks a running server whatever the description allows, and what it does not."""

import subprocess
import sys
from pathlib import Path

from tests.cli.test_serve import serving


def test_no_request_gets_an_answer_that_is_not_described(tmp_path: Path):
    with serving(
        tmp_path, LIMITS__WRONG_KEYS="null", SERVER__PUBLIC_URL="http://i.example.org", LOG__LEVEL="warning"
    ) as served:
        base = f"http://127.0.0.1:{served.port}"
        said = subprocess.run(
            [
                Path(sys.executable).with_name("schemathesis"), "run", f"{base}/openapi.json", "--url", base,
                "--header", f"X-API-Key: {served.key}", "--seed", "1", "--max-examples", "12", "--no-color",
                "--phases", "examples,coverage,fuzzing", "--checks", CHECKS, "--suppress-health-check", "all",
            ],
            cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False,
        )  # fmt: skip
        assert said.returncode == 0, said.stdout[-6000:] + said.stderr
        assert "Traceback" not in served.log


CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
    "response_schema_conformance"
)
