"""``callbridge campaign``, against a bridge that only listens."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

from bridge.cli import main
from tests.cli.conftest import Bridge

MADE = {"campaign_id": "camp_1", "state": "draft", "summary": "1 will be called", "lines": []}


def test_a_campaign_is_created_started_and_its_results_saved(
    bridge: Bridge, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The list goes as it is, the rules from TOML; every skipped line is told."""
    (tmp_path / "people.csv").write_text("number,name\n+12125550123,Ada\nbad,Bob\n")
    (tmp_path / "rules.toml").write_text('hours = ["mon-fri 09:00-17:00"]\nnot_after = 2026-12-01T00:00:00Z\n')
    preview = {"summary": "1 will be called, 1 skipped", "lines": [{"line": 3, "why": "not in E.164"}]}
    bridge.answers["POST", "/campaigns"] = (201, {"campaign_id": "camp_1", "state": "draft", **preview})
    bridge.answers["POST", "/campaigns/camp_1/start"] = (202, {"campaign_id": "camp_1", "state": "running"})
    bridge.answers["GET", "/campaigns/camp_1/results"] = (200, "line,number\r\n")
    people, rules = str(tmp_path / "people.csv"), str(tmp_path / "rules.toml")
    assert main(["campaign", "create", people, "--rules", rules, "--start"]) == 0
    assert bridge.asked[0][2]["rules"] == {"hours": ["mon-fri 09:00-17:00"], "not_after": "2026-12-01T00:00:00+00:00"}
    out = capsys.readouterr().out
    assert "camp_1 running" in out
    assert "line 3: not in E.164" in out
    assert main(["campaign", "results", "camp_1", "--out", str(tmp_path / "r.csv")]) == 0
    assert (tmp_path / "r.csv").read_bytes() == b"line,number\r\n"


def test_suppressions_come_from_a_file(bridge: Bridge, tmp_path: Path) -> None:
    """A number a line, with or without a head."""
    (tmp_path / "numbers.txt").write_text("number\n+12125550123\n\n+12125550124\n")
    bridge.answers["POST", "/suppressions"] = (200, {"added": 2, "known": 0})
    assert main(["campaign", "suppress", f"@{tmp_path}/numbers.txt"]) == 0
    assert bridge.asked[0][2] == {"numbers": ["+12125550123", "+12125550124"]}


def test_results_that_cannot_be_saved_are_told_in_words(
    bridge: Bridge, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file is named, and what is wrong with it."""
    bridge.answers["GET", "/campaigns/camp_1/results"] = (200, "line,number\r\n")
    file = tmp_path / "nowhere" / "r.csv"
    assert main(["campaign", "results", "camp_1", "--out", str(file)]) == 1
    assert f"{file} cannot be used: No such file or directory." in capsys.readouterr().err


def test_a_preview_stores_nothing(bridge: Bridge, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Who would be called, and who not, and why; the campaign is called after its file."""
    bridge.answers["POST", "/campaigns/preview"] = (
        200,
        {"summary": "1 will be called, 1 not", "lines": [{"line": 3, "why": "not in E.164"}]},
    )
    (tmp_path / "reminders.csv").write_text("number\n+12125550123\nbad\n")
    assert main(["campaign", "preview", str(tmp_path / "reminders.csv")]) == 0
    ((method, path, body, _),) = bridge.asked
    assert (method, path) == ("POST", "/campaigns/preview")
    assert body == {"name": "reminders", "rules": {}, "csv": "number\n+12125550123\nbad\n"}
    assert capsys.readouterr().out == "1 will be called, 1 not\n  line 3: not in E.164\n"


def test_a_list_in_json_is_sent_as_one(bridge: Bridge, tmp_path: Path) -> None:
    """With the rules from JSON too, under the name and the key that were given."""
    bridge.answers["POST", "/campaigns"] = (201, MADE)
    people, rules = tmp_path / "people.json", tmp_path / "rules.json"
    people.write_text('[{"number": "+12125550123"}]')
    rules.write_text('{"max_attempts": 2}')
    assert main(["campaign", "create", str(people), "--rules", str(rules), "--name", "May", "--key", "k1"]) == 0
    ((_, _, body, headers),) = bridge.asked
    assert body == {"name": "May", "rules": {"max_attempts": 2}, "people": [{"number": "+12125550123"}]}
    assert headers["Idempotency-Key"] == "k1"


def test_a_list_may_come_from_another_command(bridge: Bridge, monkeypatch: pytest.MonkeyPatch) -> None:
    """``-`` is the standard input."""
    bridge.answers["POST", "/campaigns"] = (201, MADE)
    monkeypatch.setattr("sys.stdin", io.StringIO("number\n+12125550123\n"))
    assert main(["campaign", "create", "-"]) == 0
    assert bridge.asked[0][2]["csv"] == "number\n+12125550123\n"


def test_a_list_from_a_spreadsheet_has_no_mark_before_its_head(bridge: Bridge, tmp_path: Path) -> None:
    """Spreadsheets write one, which would be part of the first column's name."""
    bridge.answers["POST", "/campaigns"] = (201, MADE)
    (tmp_path / "people.csv").write_bytes(b"\xef\xbb\xbfnumber\n+12125550123\n")
    assert main(["campaign", "create", str(tmp_path / "people.csv")]) == 0
    assert bridge.asked[0][2]["csv"].startswith("number")


def test_without_start_a_campaign_waits(bridge: Bridge, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is stored, and nobody is called."""
    bridge.answers["POST", "/campaigns"] = (201, MADE)
    (tmp_path / "people.csv").write_text("number\n+12125550123\n")
    assert main(["campaign", "create", str(tmp_path / "people.csv")]) == 0
    assert [path for _, path, _, _ in bridge.asked] == ["/campaigns"]
    assert capsys.readouterr().out == "camp_1 draft\n1 will be called\n"


@pytest.mark.parametrize("verb", ["start", "pause", "resume", "cancel"])
def test_each_verb_is_asked_of_its_campaign(bridge: Bridge, verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    """And the answer is shown."""
    bridge.answers["POST", f"/campaigns/camp_1/{verb}"] = (202, {"campaign_id": "camp_1", "state": "told"})
    assert main(["campaign", verb, "camp_1"]) == 0
    assert [(method, path) for method, path, _, _ in bridge.asked] == [("POST", f"/campaigns/camp_1/{verb}")]
    assert "state=told" in capsys.readouterr().out


def test_rules_are_changed_by_those_that_are_given(bridge: Bridge, tmp_path: Path) -> None:
    """What is not named stays: the bridge lays them over the others."""
    bridge.answers["PATCH", "/campaigns/camp_1"] = (200, {"campaign_id": "camp_1", "state": "running"})
    (tmp_path / "rules.toml").write_text("max_attempts = 3\n")
    assert main(["campaign", "change", "camp_1", "--rules", str(tmp_path / "rules.toml")]) == 0
    assert bridge.asked[0][2] == {"rules": {"max_attempts": 3}}


def test_one_campaign_or_all_of_them_are_shown(bridge: Bridge, capsys: pytest.CaptureFixture[str]) -> None:
    """A line each: counts in words, without rules and without what is empty."""
    one = {
        "campaign_id": "camp_1",
        "state": "paused",
        "why": "",
        "rules": {"max_attempts": 2},
        "people": {"done": 2, "b": 1},
    }
    other = {"campaign_id": "camp_2", "state": "draft", "people": {}}
    bridge.answers["GET", "/campaigns/camp_1"] = (200, one)
    bridge.answers["GET", "/campaigns"] = (200, {"campaigns": [one, other]})
    line = "campaign_id=camp_1  state=paused  people=b:1,done:2\n"
    assert main(["campaign", "status", "camp_1"]) == 0
    assert capsys.readouterr().out == line
    assert main(["campaign", "status"]) == 0
    assert capsys.readouterr().out == line + "campaign_id=camp_2  state=draft  people=-\n"


def test_programs_get_the_answer_as_it_came(bridge: Bridge, capsys: pytest.CaptureFixture[str]) -> None:
    """With everything in it."""
    one = {"campaign_id": "camp_1", "state": "paused", "rules": {"max_attempts": 2}}
    bridge.answers["GET", "/campaigns/camp_1"] = (200, one)
    assert main(["campaign", "status", "camp_1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == one


def test_results_go_to_the_standard_output(bridge: Bridge, capsys: pytest.CaptureFixture[str]) -> None:
    """As CSV, or as JSON for programs."""
    bridge.answers["GET", "/campaigns/camp_1/results"] = (200, "line,number\r\n")
    bridge.answers["GET", "/campaigns/camp_1/results?format=json"] = (200, {"results": []})
    assert main(["campaign", "results", "camp_1"]) == 0
    assert capsys.readouterr().out.splitlines() == ["line,number"]
    assert main(["campaign", "results", "camp_1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"results": []}


def test_numbers_to_be_left_alone_may_be_named(bridge: Bridge) -> None:
    """Beside those of a file."""
    bridge.answers["POST", "/suppressions"] = (200, {"added": 2, "known": 0})
    assert main(["campaign", "suppress", "+12125550123", "+12125550124"]) == 0
    assert bridge.asked[0][2] == {"numbers": ["+12125550123", "+12125550124"]}


@pytest.mark.parametrize(
    ("people", "rules", "told"),
    [
        (None, None, "people.csv cannot be read (FileNotFoundError). Is it a file in UTF-8?"),
        (b"number\n\xff\xfe\n", None, "people.csv cannot be read (UnicodeDecodeError). Is it a file in UTF-8?"),
        (b'[{"number": ', b"", "people.csv is no JSON"),
        (b"number\n", b"max_attempts = ", "rules is no TOML"),
        (b"number\n", b'{"max_attempts": ', "rules is no JSON"),
        (b"number\n", None, "rules cannot be read (FileNotFoundError)"),
    ],
    ids=["no list", "no text", "no list in JSON", "rules in bad TOML", "rules in bad JSON", "no rules"],
)
def test_a_file_that_is_none_is_told_before_anything_is_asked(
    bridge: Bridge,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    people: bytes | None,
    rules: bytes | None,
    told: str,
) -> None:
    """By its name, with what is wrong."""
    for name, text in (("people.csv", people), ("rules", rules)):
        if text is not None:
            (tmp_path / name).write_bytes(text)
    assert main(["campaign", "create", str(tmp_path / "people.csv"), "--rules", str(tmp_path / "rules")]) == 1
    assert told in capsys.readouterr().err
    assert bridge.asked == []


@pytest.mark.parametrize("answer", [{"detail": "There is no such campaign.", "remedy": "Ask for the list."}, "no JSON"])
def test_a_refusal_is_exit_code_1(bridge: Bridge, capsys: pytest.CaptureFixture[str], answer: Any) -> None:
    """In the bridge's own words where it has any."""
    bridge.answers["POST", "/campaigns/camp_9/start"] = (404, answer)
    assert main(["campaign", "start", "camp_9"]) == 1
    told = capsys.readouterr().err
    assert "(HTTP 404)" in told
    assert isinstance(answer, str) or "There is no such campaign. (HTTP 404) Ask for the list." in told
