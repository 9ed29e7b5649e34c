"""Judges one driver's log: "NAME: N passed, N failed, N skipped", its failures on the error stream.

A failure that pending.txt names is skipped; a check that pending.txt names and that passes is a failure, for the list is
then out of date. A driver that did not reach its closing line, or whose exit status contradicts it, has failed as well.
"""

import pathlib
import re
import sys

name, log, status = sys.argv[1], pathlib.Path(sys.argv[2]), int(sys.argv[3])
lines = [line.split(" #")[0].strip() for line in pathlib.Path(__file__).with_name("pending.txt").read_text().splitlines()]
pending = [line.split(": ", 1)[1] for line in lines if line.startswith(name + ": ")]


def is_pending(check):
    return any(check == known or check.startswith(known + " ") or check.startswith(known + ":") for known in pending)


text = log.read_text(errors="replace")
checks = re.findall(r"^(ok|FAIL) +(.*?) *$", text, re.MULTILINE)
closing = re.search(r"^(\d+) passed, (\d+) failed *$", text.rstrip().rsplit("\n", 1)[-1])
faults = [f"FAIL {check}" for verdict, check in checks if verdict == "FAIL" and not is_pending(check)]
faults += [f"passes now, take it off pending.txt: {check}" for verdict, check in checks if verdict == "ok" and is_pending(check)]
skipped = sum(verdict == "FAIL" and is_pending(check) for verdict, check in checks)
passed = sum(verdict == "ok" and not is_pending(check) for verdict, check in checks)
if closing is None:
    faults.append(f"did not finish (exit status {status}): {text[-600:].strip()}")
elif int(closing[2]) != sum(verdict == "FAIL" for verdict, _ in checks) or (status == 0) != (int(closing[2]) == 0):
    faults.append(f"its closing line, its checks and its exit status {status} do not agree")
for fault in faults:
    print(f"{name}: {fault}", file=sys.stderr)
print(f"{name}: {passed} passed, {len(faults)} failed, {skipped} skipped")
