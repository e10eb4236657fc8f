"""The HTML report as a browser shows it: of a real run that went well, and of the same one with people who are missing."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from cicscenario.report.rendered import write_reports
from tests.support import recordings
from tests.support.browser import AXE, chromium, missing
from tests.support.commands import cicscenario

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
PHONE, DESKTOP = 375, 1280


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
    hostile = recordings.run_directory(place / "hostile", recordings.bad(), failed=3)
    write_reports(hostile)
    return {"passing": passing, "failing": run / "report.html", "hostile": hostile / "report.html"}


@pytest.fixture(params=[(DESKTOP, False), (DESKTOP, True), (PHONE, False), (PHONE, True)], scope="module")
def browser(request: pytest.FixtureRequest) -> Iterator[object]:
    width, dark = request.param
    with chromium(width, dark=dark) as driver:
        driver.scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        driver.shown_as = f"{width}{'-dark' if dark else ''}"
        yield driver


@pytest.mark.parametrize("name", ["passing", "failing", "hostile"])
def test_it_is_whole_silent_and_accessible(reports: dict[str, Path], browser, name: str, tmp_path: Path) -> None:
    for log in ("browser", "performance"):
        browser.get_log(log)
    browser.get(reports[name].as_uri())
    assert [entry["message"] for entry in browser.get_log("browser")] == []
    assert requests(browser) == {reports[name].as_uri()}
    verdict = browser.find_element("css selector", ".verdict strong").text
    assert verdict.startswith({"passing": "Everybody", "failing": "Not everybody", "hostile": "Stopped"}[name])
    wide = browser.execute_script("return document.documentElement.scrollWidth - window.innerWidth")
    assert wide <= 0  # nothing is scrolled sideways but what says so
    screenshot(browser, tmp_path / f"{name}-{browser.shown_as}.png")
    assert violations(browser) == []


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
