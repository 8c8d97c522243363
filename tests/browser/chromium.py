"""A headless Chromium with its protocol https://chromedevtools.github.io/devtools-protocol."""

import contextlib
import itertools
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections import deque

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
MISSING = f"no browser: none of {', '.join(NAMES)} is installed (Debian: apt-get install chromium)"


class Page:
    """An open page.

    Messages are exchanged through two pipes; each ends with a zero byte.
    """

    def __init__(self, commands, messages):
        self._commands, self._messages = commands, messages
        self._buffer, self._numbers, self._events = b"", itertools.count(1), deque()
        self._session = None
        target = self("Target.createTarget", url="about:blank")["targetId"]
        attached = self("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self(f"{domain}.enable")

    def __call__(self, method, **params):
        """Send a command; return its result."""
        number = next(self._numbers)
        command = {"id": number, "method": method, "params": params}
        command |= {"sessionId": self._session} if self._session else {}
        os.write(self._commands, json.dumps(command).encode() + b"\0")
        while True:
            message = self._read()
            if message.get("id") == number:
                assert "error" not in message, message
                return message["result"]
            self._events.append(message)

    def _read(self):
        while b"\0" not in self._buffer:
            read = os.read(self._messages, 1 << 20)
            assert read, "the browser has ended"
            self._buffer += read
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)

    def events(self, method):
        """Return the events so far, by name."""
        self("Runtime.evaluate", expression="0")  # reads all pending messages
        return [e["params"] for e in self._events if e["method"] == method]

    def evaluate(self, expression, **options):
        """Evaluate a JavaScript expression."""
        done = self("Runtime.evaluate", expression=expression, returnByValue=True, **options)
        assert "exceptionDetails" not in done, (expression, done)
        return done["result"].get("value")

    def wait(self, expression, seconds=600):
        """Wait until an expression is true."""
        end = time.monotonic() + seconds
        while not self.evaluate(expression):
            assert time.monotonic() < end, f"waited too long for {expression}"
            time.sleep(0.1)

    def faults(self):
        """Return errors of scripts, and requests to other hosts."""
        thrown = [e["exceptionDetails"]["text"] for e in self.events("Runtime.exceptionThrown")]
        addresses = [e["request"]["url"] for e in self.events("Network.requestWillBeSent")]
        return thrown + [a for a in addresses if not a.startswith(("file:", "data:", "about:"))]


@contextlib.contextmanager
def opened():
    """Start a browser; end it afterwards."""
    name = next(filter(shutil.which, NAMES), None)
    assert name, MISSING
    (theirs_in, ours_out), (ours_in, theirs_out) = os.pipe(), os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = "--headless --no-sandbox --disable-gpu --window-size=1500,1000 --hide-scrollbars"
        command = f"exec {name} {options} --user-data-dir={profile} --remote-debugging-pipe"
        browser = subprocess.Popen(
            ["bash", "-c", f"{command} 3<&{theirs_in} 4>&{theirs_out}"],
            pass_fds=(theirs_in, theirs_out),
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        try:
            yield Page(ours_out, ours_in)
        finally:
            browser.terminate()
            browser.wait()
            os.close(ours_out)
            os.close(ours_in)
