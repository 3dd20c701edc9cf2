"""schemathesis over /openapi.json: whatever it sends, no server error, no answer that the document does not name, no body or header that
differs from what it says. `make schemathesis` fetches it from PyPI."""
import os
import pathlib
import re
import subprocess

import pytest

PROGRAM = pathlib.Path(os.environ.get("BERTH_SCHEMATHESIS", "/nonexistent")) / "bin/schemathesis"
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance"
LEFT_OUT = "Watch.*|LogsBase|CreateArtifact|TestWebhook"  # streams without end; what makes the server ask other servers


@pytest.mark.skipif(not PROGRAM.exists(), reason="no schemathesis: make schemathesis did not reach PyPI")
def test_the_document_is_what_the_server_does(fleet, tmp_path):
    fleet.server("server", "--max-wait=1s").ready()
    fleet.group("demo", 5)
    fleet.join(["n1", "n2"])
    fleet.deploy(fleet.push("hello-1.0.0"), 2, name="orders")
    command = [PROGRAM, "--config-file", pathlib.Path(__file__).with_name("schemathesis.toml"), "run", f"http://{fleet.one.rest}/openapi.json",
               "-H", f"Authorization: Bearer {fleet.token}", "--checks", CHECKS, "--exclude-operation-id-regex", LEFT_OUT, "--phases", "examples,coverage,fuzzing",
               "--max-examples", os.environ.get("SCHEMATHESIS_EXAMPLES", "5"), "--seed", "1", "--max-time", os.environ.get("SCHEMATHESIS_SECONDS", "60"), "--request-timeout", "20",
               "--suppress-health-check", "all", "--generation-database", "none", "--continue-on-failure", "--no-color"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, cwd=tmp_path)
    assert done.returncode == 0, done.stdout[-20000:] + done.stderr
    tested = re.search(r"Tested: (\d+)", done.stdout)
    assert tested and int(tested[1]) > 40, done.stdout[-3000:]
    assert fleet.one.process.alive() and fleet.api.get("/v1/status").status == 200
    fleet.sound()
