"""A real browser for the tests of pages: headless Chromium, driven by its own driver."""

import shutil
from contextlib import contextmanager

import pytest

from tests.waiting import PATIENCE

WIDE, SMALL = (1280, 800), (390, 844)


def open_browser(profile):
    """Start Chromium, or skip the test where there is none."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="pip install selenium")
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("there is no browser: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (
        "--headless=new",
        "--no-sandbox",  # as root, in containers
        "--disable-gpu",
        "--disable-quic",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        f"--user-data-dir={profile}",
    ):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return Browser(webdriver.Chrome(options=options, service=webdriver.ChromeService(driver)))


class Browser:
    """One window, and what a test asks of it."""

    def __init__(self, driver):
        self.driver = driver

    def close(self):
        self.driver.quit()

    def look(self, url, *, size=WIDE, dark=False, script=True, ready=None):
        """Open a page at a size and in a theme, and wait until `ready`, a condition in JavaScript, holds."""
        self._set("Emulation.setScriptExecutionDisabled", value=not script)
        self._set(
            "Emulation.setDeviceMetricsOverride",
            width=size[0],
            height=size[1],
            deviceScaleFactor=1,
            mobile=False,
        )
        theme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._set("Emulation.setEmulatedMedia", features=[theme])
        self.driver.get("about:blank")  # the page before may still be asking for its news
        self.driver.get_log("browser")
        self.driver.get(url)
        if ready is not None:
            self.wait(ready)

    def wait(self, condition):
        from selenium.webdriver.support.ui import WebDriverWait

        WebDriverWait(self.driver, PATIENCE).until(
            lambda driver: driver.execute_script(f"return {condition}")
        )

    def ask(self, code, *arguments):
        """The value of a JavaScript expression; `arguments[0]` and so on are given."""
        return self.driver.execute_script(f"return {code}", *arguments)

    def complaints(self):
        """What the console holds of warnings and errors."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] != "INFO"]

    def find(self, selector):
        return self.driver.find_elements("css selector", selector)

    def press(self, *keys):
        """Press keys, wherever the focus is; gives the element that has the focus then."""
        from selenium.webdriver.common.action_chains import ActionChains

        ActionChains(self.driver).send_keys(*keys).perform()
        return self.driver.switch_to.active_element

    def on_first_screen(self, selector):
        """Whether the first match lies within the window, all of it."""
        return self.ask(
            "[document.querySelector(arguments[0]).getBoundingClientRect()].every(box => box.width > 0"
            " && box.top >= 0 && box.bottom <= innerHeight && box.right <= innerWidth)",
            selector,
        )

    def _set(self, command, **arguments):
        self.driver.execute_cdp_cmd(command, arguments)


@contextmanager
def window(profile):
    """A browser that is closed at the end."""
    browser = open_browser(profile)
    try:
        yield browser
    finally:
        browser.close()
