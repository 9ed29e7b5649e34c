"""Checks the tree of dependencies against deny.toml without a network: licences, banned crates, sources.

cargo-deny takes minutes to build, so nothing installs it; `make check` runs it as well where it is. Advisories need its
database and a network: `cargo deny check advisories`, by hand.
"""

import json
import pathlib
import re
import subprocess
import sys
import tomllib

ROOT = pathlib.Path(__file__).parents[2]


def allowed(expression, licences):
    """Whether an SPDX expression can be met by these licences: OR needs one side, AND both, brackets as they stand."""
    tokens = re.findall(r"\(|\)|[^\s()]+", expression.replace("/", " OR "))

    def either():
        met = both()
        while tokens and tokens[0] == "OR":
            tokens.pop(0)
            met = both() or met
        return met

    def both():
        met = one()
        while tokens and tokens[0] == "AND":
            tokens.pop(0)
            met = one() and met
        return met

    def one():
        if tokens[0] == "(":
            tokens.pop(0)
            met = either()
            tokens.pop(0)
            return met
        name = tokens.pop(0)
        if tokens and tokens[0] == "WITH":
            tokens.pop(0)
            name += " WITH " + tokens.pop(0)
        return name in licences

    return either()


def faults(packages, rules):
    """One line for each package that breaks a rule."""
    licences = set(rules["licenses"]["allow"])
    banned = {rule["name"] for rule in rules["bans"]["deny"]}
    registries = {"registry+" + url for url in rules["sources"]["allow-registry"]}
    for package in packages:
        name = f"{package['name']} {package['version']}"
        if not package["license"]:
            yield f"{name}: says nothing of its licence"
        elif not allowed(package["license"], licences):
            yield f"{name}: {package['license']} is not allowed"
        if package["name"] in banned:
            yield f"{name}: banned"
        if package["source"] and package["source"] not in registries:
            yield f"{name}: from {package['source']}"


def self_test():
    """The checker can fail."""
    licences = {"MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception"}
    assert allowed("MIT OR GPL-3.0", licences) and allowed("MIT/Apache-2.0", licences)
    assert allowed("(GPL-2.0 OR MIT) AND Apache-2.0 WITH LLVM-exception", licences)
    assert not allowed("MIT AND AGPL-3.0", licences) and not allowed("GPL-3.0-only", licences)
    bad = {"name": "evil", "version": "1", "license": "AGPL-3.0", "source": "git+https://example.com/evil"}
    rules = {"licenses": {"allow": licences}, "bans": {"deny": [{"name": "evil"}]}, "sources": {"allow-registry": []}}
    assert len(list(faults([bad], rules))) == 3


def main():
    self_test()
    target = "--filter-platform=x86_64-unknown-linux-gnu"
    command = ["cargo", "metadata", "--format-version=1", "--locked", target, f"--manifest-path={ROOT}/Cargo.toml"]
    packages = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["packages"]
    found = list(faults(packages, tomllib.loads((ROOT / "deny.toml").read_text())))
    print("\n".join(found) if found else f"{len(packages)} packages: licences, bans and sources are as deny.toml wants them")
    sys.exit(1 if found else 0)


main()
