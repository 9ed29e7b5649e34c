"""A Thunderbird of one's own: a fresh profile on a screen that nobody sees, told what to do by the Marionette protocol."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

# No first steps, no updates, no calls home, and no refresh but those that a check asks for.
PREFERENCES = {
    "app.donation.eoy.version.viewed": 999,
    "app.normandy.enabled": False,
    "app.update.enabled": False,
    "browser.dom.window.dump.enabled": True,
    "calendar.autorefresh.enabled": False,
    "calendar.loglevel": "Debug",
    "calendar.timezone.local": "Europe/Berlin",
    "calendar.timezone.useSystemTimezone": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "devtools.console.stdout.chrome": True,
    "extensions.update.enabled": False,
    "mail.provider.suppress_dialog_on_startup": True,
    "mail.rights.version": 1,
    "mail.shell.checkDefaultClient": False,
    "mailnews.start_page.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "data:,",
}
PATIENCE = 120


class Thunderbird:
    """A running Thunderbird; `run` gives it JavaScript, which may do what its own code may."""

    def __init__(self, prelude):
        self.prelude = prelude
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="kalends-tb."))
        self.started = []
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def run(self, body, *arguments):
        """What the body of an async function returns; its arguments are in `args`."""
        script = "const args = arguments; return (async () => {" + self.prelude + body + "})();"
        given = {"script": script, "args": list(arguments), "sandbox": "system", "newSandbox": False}
        return self._command("WebDriver:ExecuteScript", given)["value"]

    def stop(self):
        """Ends what was started here, and forgets it."""
        for process in reversed(self.started):
            with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
                os.killpg(process.pid, signal.SIGTERM)
                process.wait(20)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        shutil.rmtree(self.home, ignore_errors=True)

    def log(self):
        """The end of what it said."""
        return (self.home / "log").read_text(errors="replace")[-4000:]

    def _start(self):
        profile = self.home / "profile"
        profile.mkdir()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in {**PREFERENCES, "marionette.port": port}.items()]
        (profile / "user.js").write_text("\n".join(lines) + "\n")
        environment = {**os.environ, "DISPLAY": self._screen(), "HOME": str(self.home), "LANG": "C.UTF-8"}
        self._launch("dbus-run-session", "--", "thunderbird", "--marionette", "--remote-allow-system-access", "--no-remote", "--profile", str(profile), env=environment)
        self._connect(port)
        self._command("WebDriver:NewSession", {"capabilities": {"alwaysMatch": {"unhandledPromptBehavior": "ignore"}}})
        self._command("Marionette:SetContext", {"value": "chrome"})
        self._command("WebDriver:SetTimeouts", {"script": PATIENCE * 1000})

    def _screen(self):
        """The name of a display that is free, which the server of it chooses."""
        told, tell = os.pipe()
        self._launch("Xvfb", "-displayfd", str(tell), "-screen", "0", "1280x900x24", pass_fds=[tell])
        os.close(tell)
        with os.fdopen(told) as line:
            return ":" + line.readline().strip()

    def _launch(self, *command, **options):
        with open(self.home / "log", "ab") as log:
            self.started.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, **options))

    def _connect(self, port):
        end = time.monotonic() + PATIENCE
        while True:
            try:
                self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE * 2)
                break
            except OSError:
                assert time.monotonic() < end, f"Thunderbird does not come up: {self.log()}"
                time.sleep(0.2)
        self.reader, self.sent = self.socket.makefile("rb"), 0
        self._receive()  # it introduces itself

    def _receive(self):
        length = b""
        while (octet := self.reader.read(1)) != b":":
            assert octet, f"Thunderbird hung up: {self.log()}"
            length += octet
        return json.loads(self.reader.read(int(length)))

    def _command(self, name, parameters):
        self.sent += 1
        message = json.dumps([0, self.sent, name, parameters]).encode()
        self.socket.sendall(b"%d:%s" % (len(message), message))
        while (answer := self._receive())[:2] != [1, self.sent]:
            pass
        assert not answer[2], f"{answer[2]['error']}: {answer[2]['message']}"
        return answer[3]
