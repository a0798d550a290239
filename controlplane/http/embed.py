# SPDX-License-Identifier: Apache-2.0
"""embed.py JSON OUT NAME: the JSON document, without white space, as a C string."""

import json
import sys

with open(sys.argv[1]) as source:
    text = json.dumps(json.load(source), separators=(",", ":"))
quoted = text.replace("\\", "\\\\").replace('"', '\\"')
pieces, at = [], 0
while at < len(quoted):
    end = min(at + 110, len(quoted))
    while quoted[at:end].endswith("\\") and end < len(quoted):
        end += 2
    pieces.append(f'  "{quoted[at:end]}"')
    at = end
with open(sys.argv[2], "w") as out:
    out.write(f'#include "openapi.h"\n\nconst char {sys.argv[3]}[] =\n' + "\n".join(pieces) + ";\n")
