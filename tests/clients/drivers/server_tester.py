"""caldav-server-tester against kalends: each feature it observes is a check, its wanted level stands in goals.json."""

import ast
import json
import os
import pathlib
import subprocess
import sys
import tempfile

from caldav.compatibility_hints import FeatureSet

from checks import ROOT, URL, check, password, run

HERE = pathlib.Path(__file__).parent
USERS = {"default": "alice", "second": "bob", "third": "carol"}


def observe():
    """Runs the tester with three accounts: its findings by feature."""
    with tempfile.TemporaryDirectory(prefix="kalends-tester.") as work:
        accounts = {name: {"caldav_url": URL + ROOT, "caldav_username": user, "caldav_password": password(user)} for name, user in USERS.items()}
        config = pathlib.Path(work) / "calendar.conf.json"
        config.write_text(json.dumps(accounts))
        sections = [word for name in USERS for word in ("--config-section", name)]
        program = pathlib.Path(sys.executable).with_name("caldav-server-tester")
        done = subprocess.run([program, "--format", "hints", *sections], capture_output=True, text=True, timeout=900, env={**os.environ, "HOME": work, "CALDAV_CONFIG_FILE": str(config)})
    text = done.stdout
    assert "{" in text, done.stderr[-2000:]
    return ast.literal_eval(text[text.index("{") : text.rindex("}") + 1])


def level(finding):
    """The support level of a finding: full, unsupported, ... or a plain value."""
    return str(finding.get("support", finding.get("value", finding.get("enable"))))


def wanted(feature, goals):
    """The levels that are right: ours if goals.json names the feature, else what the library takes for the ideal."""
    if feature in goals:
        return goals[feature].split("|")
    try:
        return [FeatureSet().is_supported(feature, str)]
    except Exception:  # features the library keeps no ideal of
        return ["full"]


def judge(feature, finding, goals):
    def verdict():
        right = wanted(feature, goals)
        assert level(finding) in right, f"{level(finding)}, wanted {' or '.join(right)}: {finding}"

    check(feature)(verdict)


@check("the tester ran and reported on more than 90 features")
def enough():
    assert len(findings) > 90, len(findings)


goals = json.loads((HERE / "goals.json").read_text())
findings = observe()
for feature in sorted(findings):
    judge(feature, findings[feature], goals["features"])
run()
