"""The HTML report as a browser shows it: of a real run that went well, and of the same one with people who are missing."""

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from cicscenario.report.html import as_html, message_page
from cicscenario.report.recorded import Phase, Recorded
from cicscenario.report.rendered import write_reports
from cicscenario.serve.server import serving
from tests.support import recordings
from tests.support.browser import AXE, chromium, missing
from tests.support.commands import cicscenario
from tests.support.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.skipif(missing() is not None, reason=str(missing()))]

SCENARIO = """\
version: 1
name: looked-at
description: Twenty-five people whose report is looked at.
population: {size: 25, seed: 5}
gift: {threshold: 200}
backend: {kind: eth, keystore: {kdf: light}}
environment: sandbox
"""
PHONE, DESKTOP = 390, 1280
A4 = {"paperWidth": 8.27, "paperHeight": 11.69}  # inches


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One run that went well; verified again after keystore files were taken away; and one with hostile text."""
    place = tmp_path_factory.mktemp("reports")
    scenario = place / "looked-at.yaml"
    scenario.write_text(SCENARIO)
    done = cicscenario(place / "home", "run", str(scenario))
    assert done.returncode == 0, done.stdout + done.stderr
    run = place / "home" / "runs" / "looked-at"
    passing = place / "passing.html"
    passing.write_text((run / "report.html").read_text())
    for file in sorted((run / "keystore").iterdir())[:22]:
        file.unlink()
    failed = cicscenario(place / "home", "verify", str(scenario))
    assert failed.returncode == 1, failed.stdout + failed.stderr
    hostile = recordings.run_directory(
        place / "hostile", recordings.bad() | {"payments": recordings.payments()}, failed=3
    )
    write_reports(hostile)
    drawn = {name: written_page(place / f"{name}.html", held) for name, held in variants().items()}
    return drawn | {"passing": passing, "failing": run / "report.html", "hostile": hostile / "report.html"}


def written_page(path: Path, held: Recorded) -> Path:
    path.write_text(as_html(held))
    return path


def variants() -> dict[str, Recorded]:
    """Pages of runs that take long to make: the largest, those that ended in an odd way, one of nothing, one of one person."""
    good, whole = recordings.good(), recordings.full_report()
    one = json.loads(json.dumps(good).replace("1000", "1").replace("995", "1"))
    progress = {"steps": {}, "timeline": recordings.long_timeline([step["name"] for step in whole["steps"]])}
    many = json.loads(json.dumps(whole).replace("1000", "100000"))
    people = recordings.shown_people(0)
    people["people"] = [person | {"id": n} for n in range(2000) for person in people["people"][:1]]
    nothing = good | {"steps": [], "checks": [], "transactions": {}, "plan": {"steps": [], "checks": []}}
    under_way = good | {
        "checks": [],
        "transactions": {},
        "payments": recordings.payments(),
        "steps": [step | {"ok": 10, "pending": 990} for step in good["steps"]],
    }
    return {
        "everything": Recorded(many, progress, people),
        "one": Recorded(one, None, recordings.shown_people(0)),
        "nothing": Recorded(nothing, None),
        "killed": Recorded(under_way, progress, people, Phase.KILLED),
        "under way": Recorded(under_way, progress, people, Phase.UNDER_WAY),
    }


VERDICTS = {
    "passing": "Everybody", "failing": "Not everybody", "hostile": "Stopped", "everything": "Everybody", "one": "Everybody",
    "nothing": "Everybody", "killed": "Killed", "under way": "Under way",
}  # fmt: skip


@pytest.fixture(params=[(DESKTOP, False), (DESKTOP, True), (PHONE, False), (PHONE, True)], scope="module")
def browser(request: pytest.FixtureRequest) -> Iterator[object]:
    yield from opened(*request.param)


@pytest.fixture(params=[(DESKTOP, False), (PHONE, True)], scope="module")
def one_of_two(request: pytest.FixtureRequest) -> Iterator[object]:
    """For what does not depend on both: each width once, and each scheme."""
    yield from opened(*request.param)


@pytest.fixture(scope="module")
def desktop() -> Iterator[object]:
    yield from opened(DESKTOP, dark=False)


def opened(width: int, dark: bool) -> Iterator[object]:
    with chromium(width, dark=dark) as driver:
        driver.scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        driver.width = width
        driver.shown_as = f"{width}{'-dark' if dark else ''}"
        yield driver


@pytest.mark.parametrize("name", ["passing", "failing", "hostile"])
def test_it_is_whole_silent_and_accessible(reports: dict[str, Path], browser, name: str, tmp_path: Path) -> None:
    look_at(browser, reports, name, tmp_path)


@pytest.mark.parametrize("name", variants())
def test_so_are_the_pages_of_runs_that_ended_in_another_way(
    reports: dict[str, Path], one_of_two, name: str, tmp_path: Path
) -> None:
    look_at(one_of_two, reports, name, tmp_path)


def look_at(browser, reports: dict[str, Path], name: str, folder: Path) -> None:
    for log in ("browser", "performance"):
        browser.get_log(log)
    browser.get(reports[name].as_uri())
    assert [entry["message"] for entry in browser.get_log("browser")] == []
    assert requests(browser) == {reports[name].as_uri()}
    verdict = browser.find_element("css selector", ".verdict strong").text
    assert verdict.startswith(VERDICTS[name])
    assert width_of_page(browser) <= browser.width  # nothing is scrolled sideways but what says so
    screenshot(browser, folder / f"{name}-{browser.shown_as}.png")
    assert violations(browser) == []


def width_of_page(browser) -> int:
    """In pixels. The window's own width does not tell: a phone shows a page that is too wide from further away."""
    return browser.execute_script("return document.documentElement.scrollWidth")


def test_a_page_that_is_too_wide_is_noticed(reports: dict[str, Path], one_of_two) -> None:
    one_of_two.get(reports["passing"].as_uri())
    style = "width: 1400px; height: 9px"
    wide = f"const e = document.createElement('div'); e.style.cssText = '{style}'; document.querySelector('main').append(e)"
    one_of_two.execute_script(wide)
    assert width_of_page(one_of_two) > one_of_two.width


def test_on_paper_nothing_is_cut_off(reports: dict[str, Path], browser) -> None:
    browser.get(reports["hostile"].as_uri())
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        cut = "[...document.querySelectorAll('pre, .scroll')].filter(e => getComputedStyle(e).overflowX !== 'visible')"
        assert browser.execute_script(f"return {cut}.length") == 0
        ink = browser.execute_script("return getComputedStyle(document.body).color")
        assert ink == "rgb(27, 31, 36)"  # dark on white, whatever the screen had
        printed = base64.b64decode(browser.execute_cdp_cmd("Page.printToPDF", {})["data"])
        assert printed.startswith(b"%PDF")
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": browser.scheme})


@pytest.mark.parametrize("name", ["passing", "everything"])
def test_what_went_well_is_printed_on_two_pages(reports: dict[str, Path], desktop, name: str) -> None:
    desktop.get(reports[name].as_uri())
    printed = base64.b64decode(desktop.execute_cdp_cmd("Page.printToPDF", A4)["data"])
    assert 1 <= len(re.findall(rb"/Type\s*/Page\b", printed)) <= 2


def shown_rows(browser) -> list[str]:
    return browser.execute_script("return [...document.querySelectorAll('#people-rows th')].map(e => e.textContent)")


def test_people_are_found_by_whatever_is_known_of_them(reports: dict[str, Path], desktop) -> None:
    desktop.get(reports["everything"].as_uri())
    assert len(shown_rows(desktop)) == 25
    field, said = desktop.find_element("id", "search"), desktop.find_element("id", "found")
    searches = [
        ("#1234", ["1234"], "1 person"),
        ("ann 0", None, "2,000 people; the first 100"),
        ("nobody", [], "0 people"),
    ]
    for typed, numbers, told in searches:
        field.clear()
        field.send_keys(typed)
        assert numbers is None or shown_rows(desktop) == numbers
        assert said.text.startswith(told)
    assert violations(desktop) == []
    desktop.get(reports["hostile"].as_uri())
    desktop.find_element("id", "only").click()
    assert shown_rows(desktop) == ["0", "1", "2"]
    assert recordings.HOSTILE in desktop.find_element("id", "people-rows").text
    assert [entry["message"] for entry in desktop.get_log("browser")] == []


def test_a_page_that_is_served_follows_the_run_and_keeps_what_was_typed(desktop) -> None:
    held = variants()
    pages = {name: as_html(held[name], live=0.2) for name in ("under way", "everything")}
    pages["before"] = message_page("a run", "Nothing has been run.", live=0.2)
    now = ["before"]
    with serving(lambda: pages[now[0]], 0) as served:
        desktop.get_log("browser")
        desktop.get(served.address)
        assert "Nothing has been run" in desktop.find_element("css selector", ".verdict").text
        now[0] = "under way"
        eventually(lambda: "Under way" in desktop.title)
        desktop.find_element("id", "search").send_keys("#77")
        assert shown_rows(desktop) == ["77"]
        now[0] = "everything"
        eventually(lambda: "Everybody arrived" in desktop.title)
        assert "good" in desktop.find_element("css selector", ".verdict").get_attribute("class")
        assert desktop.find_element("id", "search").get_attribute("value") == "#77"
        assert shown_rows(desktop) == ["77"]
        assert violations(desktop) == []
        assert [entry["message"] for entry in desktop.get_log("browser")] == []
        assert not desktop.find_element("id", "away").is_displayed()
    eventually(lambda: desktop.find_element("id", "away").is_displayed())
    assert "Everybody arrived" in desktop.find_element("css selector", ".verdict").text


def test_axe_would_complain(browser, tmp_path: Path) -> None:
    page = tmp_path / "wrong.html"
    page.write_text("<html><body><img src='data:,'><p style='color:#eee;background:#fff'>pale</p></body></html>")
    browser.get(page.as_uri())
    assert {"image-alt", "color-contrast", "html-has-lang"} <= {rule for rule, _ in violations(browser)}


def test_a_request_and_a_console_error_would_be_noticed(browser, tmp_path: Path) -> None:
    page = tmp_path / "wrong.html"
    page.write_text("<img alt='' src='http://example.invalid/a.png'><script>console.error('oh')</script>")
    browser.get_log("performance")
    browser.get(page.as_uri())
    assert "http://example.invalid/a.png" in requests(browser)
    assert any("oh" in entry["message"] for entry in browser.get_log("browser"))


def requests(browser) -> set[str]:
    """Addresses that the page asked for, but for those that are their own content."""
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = {e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"}
    return {url for url in asked if not url.startswith("data:")}


def violations(browser) -> list[tuple[str, list[str]]]:
    """Rules of axe that the page breaks, and where."""
    browser.execute_script(AXE.read_text("utf-8"))
    found = browser.execute_async_script(
        "const done = arguments[arguments.length - 1]; axe.run(document).then(done, e => done({error: String(e)}))"
    )
    assert "error" not in found, found
    assert found["passes"]  # it looked at something
    return [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in found["violations"]]


def screenshot(browser, path: Path) -> None:
    """Of the whole page; kept with the test's folder for a person to look at."""
    data = browser.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True, "format": "png"})["data"]
    path.write_bytes(base64.b64decode(data))
    assert path.stat().st_size > 10_000
