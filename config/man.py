#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The manual page of a program, from what it says of itself: --help, and --keys where it has a configuration.
usage: man.py PROGRAM SECTION SENTENCE [see also, as copse(1) ...]"""

import os
import re
import subprocess
import sys


def say(program, option):
    return subprocess.run([program, option], capture_output=True, text=True, check=True, timeout=60,
                          env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}).stdout


def plain(text):
    """Text in which nothing is a request of mdoc."""
    text = text.replace("\\", "\\e")
    return "\\&" + text if text[:1] in (".", "'") else text


def literal(text):
    return [".Bd -literal", *(plain(line.rstrip()) for line in text.strip().split("\n")), ".Ed"]


def keys(text):
    """`name: kind, default D, restart. help` becomes an item; `group = { … }:` or `in each of group:` begins a list."""
    lines = [".Bl -tag -width indent"]
    for line in text.splitlines():
        item = re.match(r"(\w+): (\w+), default (.*?), (restart|live)\. (.*)", line)
        group = re.match(r"(?:in |in each of )?(\w+)(?: = .*)?:$", line)
        if item:
            name, kind, default, change, sense = item.groups()
            lines += [f".It Ic {name}", plain(sense),
                      plain(f"({kind}, default {default}{', may change without a restart' if change == 'live' else ''})")]
        elif group:
            lines += [".El", f".Ss {group[1]}", ".Bl -tag -width indent"]
        elif line:
            raise SystemExit(f"man.py: not understood: {line}")
    return [*lines, ".El"]


def main():
    program, section, sentence, *others = sys.argv[1:]
    name = os.path.basename(program)
    page = [f".\\\" Made of {name} --help.", ".Dd $Mdocdate$", f".Dt {name.upper()} {section}", ".Os", ".Sh NAME", f".Nm {name}",
            f".Nd {sentence}", ".Sh DESCRIPTION", *literal(say(program, "--help"))]
    if section == "8":
        page += [".Sh CONFIGURATION", *keys(say(program, "--keys"))]
    if others:
        links = [re.fullmatch(r"(\S+)\((\d)\)", other).groups() for other in sorted(others, key=lambda o: (o[-2], o))]
        page += [".Sh SEE ALSO", *(f".Xr {other} {number}{' ,' if n < len(links) - 1 else ''}" for n, (other, number) in enumerate(links))]
    print("\n".join(page))


if __name__ == "__main__":
    main()
