"""docs/sql.md: each of its questions, asked as role berth_dash through berth sql, in a cell where something happened."""
import pathlib
import re

import pytest

DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs/sql.md"
QUESTIONS = re.findall(r"^(\d+)\. (.*?)\n\n```sql\n(.*?)```", DOCS.read_text(), re.M | re.S)


@pytest.fixture(scope="module")
def lived_in(shared):
    """One version replaced by the next."""
    shared.deploy(shared.push("hello-1.0.0"))
    shared.deploy(shared.push("hello-2.0.0"))
    return shared


def ask(cell, *arguments):
    return cell.berth("sql", "--data", cell.one.data, "--", "-XAtq", "-v", "ON_ERROR_STOP=1", *arguments)


def test_there_are_fifteen():
    assert [int(n) for n, _, _ in QUESTIONS] == list(range(1, 16))


@pytest.mark.parametrize("number,title,query", QUESTIONS, ids=[n for n, _, _ in QUESTIONS])
def test_a_question_has_an_answer(lived_in, number, title, query):
    answer = ask(lived_in, "-c", query)
    assert answer.returncode == 0, (title, answer.stderr)
    if number in ("3", "7", "9", "13", "14", "15"):  # those about a fleet that lives
        assert answer.stdout, title


def test_who_deployed_what_where(lived_in):
    """The first question, for today: names, actor and plan, and the version before with its end."""
    answer = ask(lived_in, "-c", "select base, module, version, deployment, actor, ended_as from base_history where since > now() - interval '1 hour' order by 1, 3")
    rows = [line.split("|") for line in answer.stdout.splitlines()]
    assert [r[:5] for r in rows] == [[b, "hello", v, "hello", "admin"] for b in ("n1", "n2", "n3") for v in ("1.0.0", "2.0.0")], rows
    assert all(r[5] for r in rows if r[2] == "1.0.0") and not any(r[5] for r in rows if r[2] == "2.0.0"), rows


def test_history_is_of_a_lost_base_too(lived_in):
    agent = lived_in.agents["n3"]
    agent.stop()
    import cell as cells
    cells.until(lambda: ask(lived_in, "-c", "select ended_as from base_history where base = 'n3' and version = '2.0.0'").stdout.strip(), 60, "the row of n3 ends")
    agent.start()
    lived_in.base_ready("n3")
    def again():
        return ask(lived_in, "-c", "select count(*), count(ended_at) from base_history where base = 'n3' and version = '2.0.0'").stdout.strip() == "2|1"
    cells.until(again, 60, "n3 has a second row")


def test_nothing_can_be_written_or_seen_beside_the_views(lived_in):
    for statement in ("select * from public.token", "update public.base set units_used = 0", "create temp table x (a int)",
                      "set default_transaction_read_only = off; create table public.x (a int)"):
        answer = ask(lived_in, "-c", statement)
        assert answer.returncode != 0 and ("permission denied" in answer.stderr or "read-only" in answer.stderr), (statement, answer.stdout, answer.stderr)


def test_somebodys_own_login_reads_as_the_role_too(lived_in):
    """With --database the session becomes berth_dash whoever logs in."""
    answer = lived_in.berth("sql", "--database", lived_in.one.conninfo, "--", "-XAtq", "-c", "select current_user", "-c", "show statement_timeout", "-c", "select 1 from public.token")
    assert answer.stdout.split() == ["berth_dash", "30s"] and "permission denied" in answer.stderr, answer
