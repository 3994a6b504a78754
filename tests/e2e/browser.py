"""A headless Chromium over chromedriver's HTTP interface (W3C WebDriver): standard library only."""
import base64
import json
import os
import shutil
import subprocess
import tempfile
import unittest
import urllib.error
import urllib.request

MISSING = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
NEEDS_BROWSER = f"needs {' and '.join(MISSING)} (Debian: chromium, chromium-driver)"
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the key of an element's id in the protocol


class Browser:
    def __init__(self, width=1366, height=768, phone=False):
        self.profile = tempfile.TemporaryDirectory()
        # A group of its own: closing ends what this browser started, and nothing else.
        self.driver = subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE,
                                       stderr=subprocess.DEVNULL, text=True,
                                       start_new_session=True)
        self.session = None
        try:
            self.address = f"http://127.0.0.1:{self._port()}"
            arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                         "--disable-dev-shm-usage", f"--user-data-dir={self.profile.name}",
                         f"--window-size={width},{height}"]
            capabilities = {"goog:chromeOptions": {"args": arguments},
                            "goog:loggingPrefs": {"browser": "ALL"}}
            self.session = self._call("POST", "/session", {
                "capabilities": {"alwaysMatch": capabilities}})["sessionId"]
            self.devtools("Emulation.setDeviceMetricsOverride", width=width, height=height,
                          deviceScaleFactor=2 if phone else 1, mobile=phone)
        except BaseException:
            self.close()
            raise

    def _port(self):
        for line in self.driver.stdout:
            if "started successfully on port" in line:
                return int(line.split("port")[1].strip(" .\n"))
        raise RuntimeError("chromedriver did not start")

    def _call(self, method, path, body=None):
        request = urllib.request.Request(
            self.address + path, method=method, headers={"Content-Type": "application/json"},
            data=None if body is None else json.dumps(body).encode())
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(json.load(error)["value"]["message"]) from None

    def _of_session(self, method, path, body=None):
        return self._call(method, f"/session/{self.session}{path}", body)

    def close(self):
        if self.session:
            self._of_session("DELETE", "")
        self.driver.terminate()
        self.driver.wait()
        self.driver.stdout.close()
        self.profile.cleanup()

    def open(self, path, anchor=""):
        self._of_session("POST", "/url", {"url": "about:blank"})  # an anchor alone loads nothing
        self._of_session("POST", "/url", {"url": path.resolve().as_uri() + anchor})

    def devtools(self, command, **parameters):
        return self._of_session("POST", "/goog/cdp/execute",
                                {"cmd": command, "params": parameters})

    def scheme(self, name):
        """"light" or "dark"."""
        self.devtools("Emulation.setEmulatedMedia",
                      features=[{"name": "prefers-color-scheme", "value": name}])

    def run(self, script, *arguments):
        """What the script returns."""
        return self._of_session("POST", "/execute/sync",
                                {"script": script, "args": list(arguments)})

    def wait(self, script, seconds=20):
        """Until the script returns something true, which is returned: asked before each frame."""
        self._of_session("POST", "/timeouts", {"script": 1000 * seconds})
        return self._of_session("POST", "/execute/async", {"args": [], "script": f"""
            const tell = arguments[arguments.length - 1];
            const ask = () => {{ {script} }};
            (function look() {{
              const value = ask();
              if (value) tell(value); else requestAnimationFrame(look);
            }})();"""})

    def click(self, selector):
        """As a user does, where the element is: another one that covers it is an error."""
        found = self._of_session("POST", "/element", {"using": "css selector", "value": selector})
        self._of_session("POST", f"/element/{found[ELEMENT]}/click", {})

    def key(self, character):
        self._of_session("POST", "/actions", {"actions": [{
            "type": "key", "id": "keyboard", "actions": [{"type": "keyDown", "value": character},
                                                         {"type": "keyUp", "value": character}]}]})

    def console(self):
        """Messages since the last call, warnings and errors only."""
        return [entry["message"] for entry in self._of_session("POST", "/se/log",
                                                               {"type": "browser"})
                if entry["level"] in ("WARNING", "SEVERE")]

    def screenshot(self, whole=False):
        if not whole:
            return base64.b64decode(self._of_session("GET", "/screenshot"))
        shot = self.devtools("Page.captureScreenshot", captureBeyondViewport=True)
        return base64.b64decode(shot["data"])

    def pdf(self):
        return base64.b64decode(self._of_session("POST", "/print", {
            "background": True, "page": {"width": 21, "height": 29.7}}))


@unittest.skipIf(MISSING, NEEDS_BROWSER)
class BrowserTest(unittest.TestCase):
    """One browser for a class; screenshots go to the folder WORKBENCH_SCREENSHOTS names, if any."""

    @classmethod
    def setUpClass(cls):
        cls.browser = Browser()
        cls.addClassCleanup(cls.browser.close)

    def look(self, name, show):
        """Pictures of a page in light and dark, on laptop and phone, and on paper. `show(browser)`
        opens it."""
        phone = Browser(390, 844, phone=True)
        self.addCleanup(phone.close)
        for browser, device in [(self.browser, "laptop"), (phone, "phone")]:
            for scheme in ["light", "dark"]:
                browser.scheme(scheme)
                show(browser)
                self.keep(f"{name}_{device}_{scheme}.png", browser.screenshot(whole=True))
        self.assertTrue(self.browser.pdf().startswith(b"%PDF"))
        self.browser.scheme("light")
        self.assertEqual(phone.run("return document.documentElement.scrollWidth"), 390)
        self.assertEqual(phone.console(), [])

    def keep(self, name, picture):
        folder = os.environ.get("WORKBENCH_SCREENSHOTS")
        if folder:
            with open(os.path.join(folder, name), "wb") as file:
                file.write(picture)
