"""The reports that are written from a run directory: Markdown, OpenMetrics, HTML as text, and all of them as files."""

import base64
import copy
import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator
from html import escape
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from cicscenario.engine.events import ReportWritten
from cicscenario.errors import ExitCode, InvalidError
from cicscenario.report import all_forms
from cicscenario.report.listeners import View, listening
from cicscenario.report.openmetrics import as_openmetrics
from cicscenario.report.recorded import Recorded, quantile
from cicscenario.report.rendered import recorded, write_reports
from tests.support import recordings


def rendered(place: Path, form: str) -> str:
    (found,) = (one for one in all_forms() if one.name == form)
    return found.render(recorded(place))


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return recordings.run_directory(tmp_path / "good", recordings.good())


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    return recordings.run_directory(tmp_path / "bad", recordings.bad(), failed=3)


def test_every_form_is_a_file_beside_the_state(good: Path) -> None:
    written = write_reports(good)
    assert {path.name for path in written} == {"report.html", "junit.xml", "report.md", "metrics.txt"}
    assert {path.name for path in good.iterdir()} == {path.name for path in written} | {
        "report.json",
        "progress.json",
        "people.json",
    }


def test_the_reports_show_the_profile_that_people_are_drawn_from(good: Path, bad: Path) -> None:
    page, hostile = rendered(bad, "html"), escape(recordings.HOSTILE)
    assert "Profile village, 1,200 people, 2020-05-12." in page
    assert '<th scope="row">gender</th><td data-head="largest groups">female 60 %, male 40 %</td>' in page
    assert f"{hostile} 75 %, b 25 %".replace("&#x27;", "&#39;").replace("&quot;", "&#34;") in page
    assert "People drawn from the profile village." in rendered(bad, "markdown")
    assert "drawn from" not in rendered(good, "html") + rendered(good, "markdown")


def test_the_reports_show_the_payments_of_a_run_that_has_any(good: Path, tmp_path: Path) -> None:
    bad = recordings.run_directory(
        tmp_path / "paying", recordings.bad() | {"payments": recordings.payments()}, failed=3
    )
    page, text = rendered(bad, "html"), rendered(bad, "markdown").replace("\\", "")
    for said in (page, text):
        assert "96 of 120 payments were paid; 3 asked for more than the payer had, and were refused" in said
    assert "| people who paid | 31.0 % | 61.1 % |" in text
    assert "| Payments of each payer: all of them | 30 | 481 |" in text
    assert "payments.graphml" in page
    assert page.count("<script") == 2, "names of places are escaped"
    silent = rendered(good, "html") + rendered(good, "markdown")
    assert not re.search(r"payments|\.hubs|\.calendar|\.beside", silent)


def test_the_reports_name_the_faults_that_were_on(tmp_path: Path) -> None:
    place = recordings.run_directory(tmp_path, recordings.good() | {"faults": ["custodial.delay=2", "meta.strict"]})
    assert '<dt>Faults on</dt><dd class="bad-text">custodial.delay=2, meta.strict</dd>' in rendered(place, "html")
    assert "The sandbox had faults on: custodial.delay=2, meta.strict." in rendered(place, "markdown").replace("\\", "")
    good = recordings.run_directory(tmp_path / "good", recordings.good())
    assert "aults on" not in rendered(good, "html") + rendered(good, "markdown")


def test_the_reports_say_that_the_pace_was_the_real_services(tmp_path: Path) -> None:
    place = recordings.run_directory(tmp_path, recordings.good() | {"pace": "real"})
    assert "<dt>Pace</dt><dd>that of the real services</dd>" in rendered(place, "html")
    assert "The sandbox kept the real services' pace." in rendered(place, "markdown").replace("\\", "")
    good = recordings.run_directory(tmp_path / "good", recordings.good())
    assert "real services" not in rendered(good, "html") + rendered(good, "markdown")


def test_the_page_says_who_needed_no_transaction(tmp_path: Path) -> None:
    """Thirty are done, and one of them was given nothing."""
    money = [{"step": "gift", "giver": "the signer", "people": 30, "amount": "1,000 GFT"}]
    steps = [step | {"ok": 30, "total": 30} for step in recordings.good()["steps"]]
    place = recordings.run_directory(
        tmp_path, recordings.good() | {"money": money, "steps": steps, "transactions": {"gift": {"mined": 29}}}
    )
    page = rendered(place, "html")
    assert "gift to 29 people (1 person needed none, as with a gift of 0)" in page
    report = json.loads((place / "report.json").read_text()) | {"transactions": {"gift": {"mined": 30}}}
    (place / "report.json").write_text(json.dumps(report))
    assert "gift to 30 people" in rendered(place, "html")
    assert "needed none" not in rendered(place, "html")


def test_reports_can_be_made_of_a_report_alone(good: Path) -> None:
    (good / "progress.json").unlink()
    assert len(write_reports(good)) == 4
    assert "not recorded" in (good / "report.html").read_text()


def test_reports_can_be_made_of_what_older_versions_wrote(tmp_path: Path) -> None:
    """Only the keys that the schema requires."""
    old = {key: value for key, value in recordings.good().items() if key in ("scenario", "exit_code", "population")}
    old |= {"steps": recordings.bad()["steps"], "checks": recordings.bad()["checks"], "transactions": {}}
    place = recordings.run_directory(tmp_path, old)
    assert len(write_reports(place)) == 4
    assert "25 people do not pass the check balance" in (place / "report.md").read_text()
    assert "the step gift failed for 3 people" in (place / "report.md").read_text()


def test_a_report_that_cannot_be_written_is_said_and_hides_nothing_else(good: Path) -> None:
    (good / "junit.xml").mkdir()
    stream = StringIO()
    with listening(stream, View()) as listener:
        listener(ReportWritten(str(good)))
    assert stream.getvalue().startswith("the reports cannot be written: ")
    assert "junit.xml" in stream.getvalue()
    assert listener.unwritten == stream.getvalue().rstrip()


def test_a_progress_that_is_damaged_is_said_and_hides_nothing_else(good: Path) -> None:
    (good / "progress.json").write_text("{}")
    stream = StringIO()
    with listening(stream, View()) as listener:
        listener(ReportWritten(str(good)))
    assert stream.getvalue().startswith(f"the reports cannot be written: {good / 'progress.json'} is damaged")


def test_a_directory_without_a_report_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(InvalidError, match="there is no report"):
        write_reports(tmp_path)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("report", "{", "it is not JSON"),
        ("report", "[" * 100_000, "it is nested more than 100 levels deep"),
        ("report", "[]", r"\[\] is not of type 'object'"),
        ("report", "{}", "'scenario' is a required property"),
        ("report", json.dumps(recordings.good() | {"exit_code": 99}), "exit_code: 99 is not one of"),
        ("progress", '{"began": "", "seconds": 1}', "'steps' is a required property"),
    ],
)
def test_a_file_that_is_damaged_is_named_with_what_is_wrong(good: Path, name: str, text: str, said: str) -> None:
    (good / f"{name}.json").write_text(text)
    with pytest.raises(InvalidError, match=rf"/{name}\.json is damaged: {said}"):
        write_reports(good)


@pytest.mark.parametrize("name", ["report.json", "progress.json", "people.json"])
def test_a_folder_in_the_place_of_a_file_is_named(good: Path, name: str) -> None:
    (good / name).unlink()
    (good / name).mkdir()
    with pytest.raises(InvalidError, match=f"{name} is damaged: it cannot be read: it is a folder"):
        write_reports(good)


def places(value: Any, *above: str | int) -> Iterator[tuple[str | int, ...]]:
    """Where something is in a document, at any depth; of a list, the first item stands for all."""
    inner = value.items() if isinstance(value, dict) else enumerate(value[:1]) if isinstance(value, list) else ()
    for key, below in inner:
        yield (*above, key)
        yield from places(below, *above, key)


@pytest.mark.parametrize("name", ["report.json", "progress.json", "people.json"])
def test_whatever_is_missing_or_of_another_type_ends_without_a_traceback(bad: Path, name: str) -> None:
    whole = json.loads((bad / name).read_text())
    kinds = Counter[str]()
    for path in places(whole):
        for change in ("gone", None, -1, "x", [], {}):
            broken = copy.deepcopy(whole)
            holder = broken
            for key in path[:-1]:
                holder = holder[key]
            if change == "gone":
                del holder[path[-1]]
            else:
                holder[path[-1]] = change
            (bad / name).write_text(json.dumps(broken))
            try:
                write_reports(bad)
                kinds["written"] += 1
            except InvalidError:
                kinds["refused"] += 1
    assert min(kinds.values()) > 15, kinds


VERDICTS = [
    (0, {}, "Everybody arrived"),
    (1, {"errors": 2}, "Not everybody arrived"),
    (0, {"pending": 5}, "Not finished"),
    (0, {"unmade": True}, "Not finished"),
    (3, {"failed": 1}, "Stopped: a service does not answer, a step failed or a deadline passed"),
    (130, {"pending": 5}, "Interrupted"),
]


@pytest.mark.parametrize(("code", "change", "verdict"), VERDICTS)
def test_the_verdict_is_good_only_when_all_is_done_and_proved(code: int, change: dict, verdict: str) -> None:
    report = recordings.good() | {"exit_code": code}
    report["checks"][0]["errors"] = change.get("errors", 0)
    report["steps"][0]["ok"] -= change.get("pending", 0) + change.get("failed", 0)
    if change.get("unmade"):
        report["checks"].pop()
    held = Recorded(report, None)
    assert (held.verdict, held.good) == (verdict, verdict == "Everybody arrived")


def test_every_exit_code_has_a_verdict() -> None:
    for code in ExitCode:
        held = Recorded(recordings.good() | {"exit_code": int(code)}, None)
        assert held.verdict
        assert held.good == (code in (ExitCode.OK,)) or code == ExitCode.CHECKS_FAILED


def test_markdown_says_it_in_two_tables(good: Path) -> None:
    text = rendered(good, "markdown")
    assert text.startswith("## ✅ thousand: Everybody arrived\n\n1,000 people; 2 checks passed for all of them.\n")
    assert "| gift | 1,000 | 0 | 0 | 250 |" in text
    assert "| balance | 0 | 1,000 | allowed: -2 % to +0 % |" in text
    assert "Transactions: gift 995 mined." in text


def test_markdown_shows_problems_and_nothing_in_them_is_markup(bad: Path) -> None:
    text = rendered(bad, "markdown")
    assert text.startswith("## ❌ thousand: Stopped")
    assert "**3 people have no gift: \\<script" in text
    assert "**22 people do not pass the check balance: \\<script" in text
    assert "(person 3)" in text
    assert ", and 17 more" in text
    assert (
        "everybody who failed anything (25 people): failing.csv. To see one of them:\n\n    cicscenario show SCENARIO PERSON\n"
        in text
    )
    assert "| keystore |  |  | not made |" in text
    assert "Accounts of the custodial engine that belong to no person: up to 2." in text
    assert "<script" not in text.replace("\\<script", "")
    assert "](https" not in text.replace("\\](https", "")


def families(text: str) -> dict:
    return {family.name: family for family in text_string_to_metric_families(text)}


def test_the_command_that_goes_on_is_shown_as_it_is_to_be_typed(bad: Path, good: Path) -> None:
    command = "cicscenario repair 'a `b`.yaml' --set 'population={size: 5}' --dir runs/x"
    document = json.loads((bad / "report.json").read_text())
    (bad / "report.json").write_text(json.dumps(document | {"next": command}))
    write_reports(bad)
    assert f"To go on:\n\n    {command}\n" in (bad / "report.md").read_text()
    assert escape(command, quote=True).replace("&#x27;", "&#39;") in (bad / "report.html").read_text()
    write_reports(good)
    assert "To go on" not in (good / "report.md").read_text() + (good / "report.html").read_text()


def test_metrics_are_read_by_prometheus_own_parser(good: Path) -> None:
    text = rendered(good, "openmetrics")
    assert text.endswith("# EOF\n")
    found = families(text)
    people = {
        (sample.labels["step"], sample.labels["outcome"]): sample.value
        for sample in found["cicscenario_step_people"].samples
    }
    assert people["gift", "ok"] == 1000
    assert found["cicscenario_step_people_per_second"].samples[0].value == 250
    batches = [s for s in found["cicscenario_batch_seconds"].samples if s.labels["step"] == "gift"]
    assert [s.value for s in batches if s.labels.get("le") == "0.3"] == [3]
    assert [s.value for s in batches if s.name.endswith("_count")] == [10]


def test_requests_and_unused_accounts_are_metrics_where_there_are_any(good: Path, bad: Path) -> None:
    found = families(rendered(bad, "openmetrics"))
    requests = {s.labels["service"]: s.value for s in found["cicscenario_requests"].samples}
    assert requests == {"ussd": 5250, "meta": 3000}
    assert found["cicscenario_orphans"].samples[0].value == 2
    assert found["cicscenario_orphans_certain"].samples[0].value == 1
    assert "cicscenario_orphans" not in families(rendered(good, "openmetrics"))


def test_what_was_asked_of_services_is_a_summary_with_quantiles(good: Path, bad: Path) -> None:
    found = families(rendered(bad, "openmetrics"))
    samples = found["cicscenario_request_seconds"].samples
    assert {s.labels["quantile"]: s.value for s in samples if "quantile" in s.labels} == {
        "0.50": 0.0021, "0.90": 0.008, "0.95": 0.0123, "0.99": 1.5,
    }  # fmt: skip
    assert [s.value for s in samples if s.name.endswith("_count")] == [3000]
    assert [found[f"cicscenario_requests_{kind}"].samples[0].value for kind in ("repeated", "refused")] == [4, 3]
    assert "cicscenario_request_seconds" not in families(rendered(good, "openmetrics"))


def test_what_older_versions_counted_is_a_line_in_markdown(bad: Path) -> None:
    report = {key: value for key, value in recordings.bad().items() if key != "traffic"}
    place = recordings.run_directory(bad.parent / "old", report)
    assert "Requests: ussd 5,250; meta 3,000." in rendered(place, "markdown")


def test_what_was_asked_of_services_is_a_table_in_markdown(bad: Path) -> None:
    assert "| meta | 3,000 | 4 | 3 | 1 | 2.1 ms | 12 ms | 1,500 ms |" in rendered(bad, "markdown")


def test_hostile_names_do_not_break_metrics() -> None:
    report = recordings.bad() | {"scenario": 'a"b\\c\nd'}
    assert families(as_openmetrics(Recorded(report, None)))["cicscenario_people"].samples[0].labels == {
        "scenario": 'a"b\\c\nd'
    }


class _Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "action")]


@pytest.mark.parametrize("name", ["good", "bad"])
def test_html_is_one_file_without_links_and_with_our_own_script_alone(
    name: str, request: pytest.FixtureRequest
) -> None:
    text = rendered(request.getfixturevalue(name), "html")
    page = _Elements()
    page.feed(text)
    assert not {"iframe", "img", "a", "object"} & set(page.tags)
    [script] = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src &#39;sha256-{digest}&#39;;" in text
    assert re.findall(r"<script(?! type=\"application/json\" id=\"people-data\")\b[^>]*>", text) == ["<script>"]
    assert page.links == ["data:,"]
    assert not re.search(r"url\(|@import", text)
    assert text.index("<strong>") < text.index("<table")  # the verdict comes first


def test_html_shows_checks_with_people_steps_with_charts_and_the_rest(bad: Path) -> None:
    text = rendered(bad, "html")
    assert "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;" in text
    assert "<li>3 people have no gift: &lt;script&gt;" in text
    assert "; 1 check was not passed for that reason<" in text
    assert "(person 7), and 17 more" in text
    assert "everybody who failed anything (25 people): failing.csv" in text
    assert '<span class="problem">3: follows from gift (no gift)</span>' in text
    assert 'aria-label="gift: from 400 ms to 4.0 s, 0 ms of it waiting"' in text
    assert 'aria-label="gift: at most 300 people per second"' in text
    assert "<b>99,870 GFT</b>: gift to 900 people" in text
    assert '900 transactions mined, <span class="bad-text">3 failed</span>, 2 on their way; about 65.2 M gas' in text
    assert 'data-head="requests">5,250</td>' in text
    assert 'data-head="repeated">4</td>' in text
    assert 'data-head="95 %">12 ms</td>' in text
    assert "that belong to no person: up to 2</p>" in text
    assert '<span class="soft">rpc</span> http://127.0.0.1:8545' in text
    assert "ann@workshop" in text
    assert "0123abc" in text
    assert "size: 1000" in text


def test_a_bucket_is_a_number_of_seconds(good: Path) -> None:
    text = (good / "progress.json").read_text()
    (good / "progress.json").write_text(text.replace('"0.3"', '"soon"'))
    with pytest.raises(InvalidError, match="buckets: 'soon' does not match"):
        write_reports(good)


@pytest.mark.parametrize(
    ("buckets", "share", "said"),
    [
        ({"0.1": 1, "1.0": 1, "+Inf": 0}, 0.5, "≤ 0.1 s"),
        ({"0.1": 1, "1.0": 9, "+Inf": 0}, 0.5, "≤ 1 s"),
        ({"0.1": 1, "1.0": 1, "+Inf": 18}, 0.5, "over 300 s"),
        ({"0.1": 0, "+Inf": 0}, 0.5, None),
    ],
)
def test_waiting_is_told_as_an_upper_bound(buckets: dict[str, int], share: float, said: str | None) -> None:
    assert quantile(buckets, share) == said


@pytest.mark.parametrize(
    "number", ["1e308", "-1e308", "1" + "0" * 400, str(2**53 + 1), "NaN", "Infinity", "1" + "0" * 5000]
)
@pytest.mark.parametrize("name", ["report", "progress"])
def test_a_number_that_cannot_be_drawn_is_named(good: Path, name: str, number: str) -> None:
    text = (good / f"{name}.json").read_text()
    assert '"seconds": 4.0' in text
    (good / f"{name}.json").write_text(text.replace('"seconds": 4.0', f'"seconds": {number}', 1))
    with pytest.raises(InvalidError, match=rf"/{name}\.json is damaged: ") as caught:
        write_reports(good)
    assert any(word in caught.value.message for word in ("number", "NaN", "Infinity", "seconds"))
