"""A headless Chromium for tests, with axe to judge pages by; absent where they are not installed."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parent.parent.parent
NODE_MODULES = Path(os.environ.get("CICSCENARIO_NODE_MODULES") or _ROOT / ".ci" / "node" / "node_modules")
AXE = NODE_MODULES / "axe-core" / "axe.min.js"


def missing() -> str | None:
    """Why pages cannot be looked at here; None when they can."""
    programs = [name for name in ("chromium", "chromedriver") if not shutil.which(name)]
    if programs:
        return f"no {' and no '.join(programs)} here"
    return None if AXE.exists() else "no axe-core here: npm install --prefix .ci/node axe-core"


@contextmanager
def chromium(width: int, *, dark: bool = False) -> Iterator[Any]:
    """A driver whose window is ``width`` pixels wide, without a network but loopback; console and requests are logged."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"):
        options.add_argument(argument)
    options.add_argument("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1")
    if dark:
        options.add_argument("--force-dark-mode")
        options.add_argument("--blink-settings=preferredColorScheme=0")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(str(shutil.which("chromedriver"))))
    try:
        driver.set_page_load_timeout(30)
        driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600},
        )
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})
        yield driver
    finally:
        driver.quit()
