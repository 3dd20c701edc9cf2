"""berthd backup and restore: of a running and of a stopped server, into a fresh folder; and a server that notices what the backup lacks."""
import os
import shutil
import subprocess

import cell as cells


def berthd(cell, *arguments, cwd=None):
    return subprocess.run([str(cells.programs() / "berthd"), *map(str, arguments)], env=cell.environment(), capture_output=True, text=True, timeout=120, cwd=cwd)


def test_backup_and_restore(fleet):
    fleet.begin(bases=1)
    fleet.deploy(fleet.push("hello-1.0.0"), replicas=1)
    place = fleet.folder / "backups"
    place.mkdir()
    made = berthd(fleet, "backup", "first", "--data", fleet.one.data, cwd=place)
    assert made.returncode == 0, made
    first = place / "first"
    assert first.stat().st_mode & 0o777 == 0o600 and os.listdir(place) == ["first"]
    again = berthd(fleet, "backup", first, "--data", fleet.one.data)
    assert again.returncode == 1 and "is there already" in again.stderr
    fleet.deploy(fleet.push("hello-2.0.0"), replicas=1)  # after the backup: the base has seen it
    known = fleet.api.get("/v1/status").json
    assert fleet.one.stop() == 0

    stopped = berthd(fleet, "backup", place, "--data", fleet.one.data)
    assert stopped.returncode == 0 and len(os.listdir(place)) == 2, stopped
    assert fleet.one.postmaster is None

    fresh = fleet.folder / "fresh"
    restored = berthd(fleet, "restore", first, "--data", fresh)
    assert restored.returncode == 0 and "--accept-older" in restored.stdout, restored
    assert not (fresh / "restore").exists()
    full = berthd(fleet, "restore", first, "--data", fresh)
    assert full.returncode == 1 and "holds a database already" in full.stderr

    shutil.copy(fleet.one.data / "witness", fresh / "witness")
    token = fleet.token
    server = fleet.one
    server.data = fresh
    server.start().listening()

    def mode():
        answer = server.client.try_get("/v1/status")
        return answer is not None and answer.status == 200 and answer.json
    status = cells.until(lambda: (s := mode()) and s.get("readOnly") and s, 40, "the server notices what is missing")
    assert status["lastEvent"] < known["lastEvent"]
    refused = server.client.post("/v1/groups", {"name": "other", "installLimit": 1})
    assert refused.status == 503, refused
    server.stop()

    server.options = (*server.options, "--accept-older")
    server.start().ready()
    fleet.token = token
    cells.until(lambda: (s := mode()) and not s.get("readOnly"), 40, "the older database is accepted")
    fleet.base_ready("n1")
    assert fleet.api.get("/v1/deployments/hello").json["version"] == "1.0.0"
    plan = fleet.deploy(fleet.push("hello-2.0.0"), replicas=1)
    assert plan["state"] == "succeeded", plan
    cells.until(lambda: fleet.on("hello", "2.0.0") == ["n1"], 30, "the base follows")
    assert fleet.berth("sql", "--data", fresh, "--", "-XAtqc", "select count(*) from base_history").stdout.strip() != "0"
    fleet.sound()


def test_what_is_no_backup_is_refused(tmp_path):
    cell = cells.Cell(tmp_path)
    wrong = tmp_path / "wrong"
    wrong.write_text("PGDM")
    for arguments, text in (((wrong,), "is not a backup"), ((tmp_path / "absent",), "No such file")):
        done = berthd(cell, "restore", *arguments, "--data", tmp_path / "data")
        assert done.returncode == 1 and text in done.stderr, done
    wrong.write_bytes(b"PGDMP and then nothing of use")
    data = cells.temporary("berth-restore-")
    done = berthd(cell, "restore", wrong, "--data", data)
    assert done.returncode == 1 and "pg_restore failed" in done.stderr, done
    assert sorted(os.listdir(data)) == ["lock"]
    assert berthd(cell, "backup", tmp_path, "--data", data).returncode == 1
    assert berthd(cell, "backup").returncode == 2
    assert berthd(cell, "restore", wrong, "--database-url", "postgresql://x@127.0.0.1:1/x").returncode == 1
    (data / "lock").unlink()
    data.rmdir()


def test_init_dash_prints_statements(tmp_path):
    done = berthd(cells.Cell(tmp_path), "init-dash", "--data", tmp_path)
    assert done.returncode == 0 and "create role berth_dash" in done.stdout and "grant usage on schema dash" in done.stdout, done
