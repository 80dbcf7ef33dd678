"""Campaign files that an enemy writes, or a person in a hurry: drawn without end, and the worst ones by name."""

from __future__ import annotations

import json
import random
import string
from collections.abc import Callable, Iterator

from adobe_experience_platform.campaigns.file import Campaign
from adobe_experience_platform.campaigns.marked_yaml import MAX_BYTES

SOUND = "when: manual\ndeliver: {flow: [audience]}\n"
FULL = """\
name: sale
title: Summer sale
description: what it is for
owner: crm
tags: [a, b]
when: {after_export: true, not_before: 6:00, not_after: "10:30"}
timezone: America/New_York
start: 2026-06-01
end: 2026-08-31
paused: false
connection: aep_us
sandbox: dev
api_version: v1
deliver:
  - flow: 0123
    label: Mail
    audiences: {7: Seven, a-b: Other}
  - {flow: second, audiences: [7, x]}
policies: {on_conflict: adopt, max_export_age_hours: null, poll_interval: 2.5}
approval: {by: [anna], within: 1h 30m}
deadline: {by: 11:00}
notices:
  email: team@example.com
  on: [failure]
  notifiers: [{class: airflow.providers.smtp.notifications.smtp.SmtpNotifier, blocks: [1, {y: z}]}]
"""
WORDS = [
    *("", "~", "null", "true", "false", "yes", "0", "-1", "007", "1e400", "9" * 40, ".inf", "NaN", "2026-02-30"),
    *("2026-12-24", "9999-12-31", "25:00", "9:00", "1d", "1d 2h", "R R * * *", "H H * * *", "* * * * *", "0 0 30 2 *"),
    *("@daily", "@reboot", "0-9999 0 * * *", "0 0 L * *", "0 0 * * 7#5", "*/0 * * * *", "0 0 ? * ?", "1" * 90),
    *("Europe/Berlin", "localtime", "Factory", "posixrules", "right/UTC", "../../etc/passwd", "Europe", "a\\x00"),
    *("os.system", "this.s.X", "antigravity.X", "{{ conn.aep_default.password }}", "{% raw %}", "$ne", "__proto__"),
    *("constructor", "x ::group::y", "VIP ::endgroup::", "&rlm;", "=1+1", "\u202ereversed", "\u2028", "é" * 30),
    *(
        "*a",
        "&a x",
        "*zz",
        "!!python/object:os.system x",
        "!!binary aGk=",
        "<<",
        "? x",
        "- -",
        "[",
        "]",
        "{",
        "}",
        ": ",
    ),
    *("'", '"', "|", ">", "#", "%YAML 1.1", "---", "...", "\t", "\x1b[31m", "after_export", "manual", "wait", "v2"),
]
KEYS = [
    *Campaign.model_fields,
    "flow",
    "audiences",
    "label",
    "by",
    "within",
    "cron",
    "email",
    "notifiers",
    "class",
    "on",
]


def drawn(seed: int) -> Iterator[bytes]:
    """Yield files without end; the same seed draws the same."""
    draw = random.Random(seed)
    kinds: list[Callable[[random.Random], str | bytes]] = [_spoiled, _spoiled, _generated, _generated, _aliased, _noise]
    while True:
        content = draw.choice(kinds)(draw)
        yield content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")


def _spoiled(draw: random.Random) -> str | bytes:
    """Change a sound file in a few places: a word, a line, a byte."""
    lines = FULL.splitlines()
    for _ in range(draw.randint(1, 4)):
        at = draw.randrange(len(lines))
        head, colon, _ = lines[at].partition(": ")
        lines[at] = draw.choice(
            (
                f"{head}{colon}{draw.choice(WORDS)}",
                f"{draw.choice(KEYS)}: {_value(draw, 3)}",
                lines[at].replace(draw.choice(string.printable), draw.choice(WORDS)),
                " " * draw.randint(0, 4) + lines[at],
            )
        )
    content = "\n".join(lines).encode("utf-8", "surrogatepass")
    if draw.random() < 0.2:
        at = draw.randrange(len(content))
        content = content[:at] + draw.randbytes(draw.randint(0, 3)) + content[at + draw.randint(0, 3) :]
    return content


def _value(draw: random.Random, depth: int) -> str:
    kind = draw.random()
    if depth == 0 or kind < 0.5:
        word = draw.choice(WORDS)
        return json.dumps(word) if draw.random() < 0.5 else word
    if kind < 0.55:
        return draw.choice(WORDS) * draw.choice((1, 50, 2_000))
    items = [_value(draw, depth - 1) for _ in range(draw.randint(0, 4))]
    if kind < 0.75:
        return "[" + ", ".join(items) + "]"
    return "{" + ", ".join(f"{draw.choice((*KEYS, *WORDS))}: {item}" for item in items) + "}"


def _generated(draw: random.Random) -> str:
    return "\n".join(f"{draw.choice(KEYS)}: {_value(draw, draw.randint(0, 5))}" for _ in range(draw.randint(1, 12)))


def _aliased(draw: random.Random) -> str:
    """Draw aliases within aliases, deep or wide."""
    wide, deep = draw.choice(((9, 1), (1, 15), (2, 3), (30, 1)))
    lines = [f"{draw.choice(KEYS)}: &b0 {_value(draw, 1)}"]
    for number in range(1, draw.randint(2, 60)):
        inner = ", ".join([f"*b{number - 1}"] * wide)
        lines.append(f"k{number}: &b{number} {'[' * deep}{inner}{']' * deep}")
    return "\n".join([*lines, f"{draw.choice(KEYS)}: *b{len(lines) - 1}"])


def _noise(draw: random.Random) -> str | bytes:
    if draw.random() < 0.5:
        return draw.randbytes(draw.randint(0, 400))
    return "".join(draw.choices(": -{}[]\n\t'\"a&*!|>%@,#?", k=draw.randint(0, 400)))


def _chain() -> str:
    nested = "".join(f"k{n}: &b{n} {'[' * 15}*b{n - 1}{']' * 15}\n" for n in range(1, 100))
    return f"k0: &b0 x\n{nested}when: *b99\n"


WORST = {
    "aliases within aliases": _chain(),
    "blanks in a duration": f"{SOUND}approval: {{within: '1d{' ' * 60_000}x'}}",
    "blanks in a deadline": f"{SOUND}deadline: {{within: '1d {' ' * 60_000}x'}}",
    "twenty thousand flows": "when: manual\ndeliver: {" + ", ".join(f"f{n}: [a]" for n in range(20_000)) + "}",
    "one flow many times": "when: manual\ndeliver:\n" + "- {flow: f, audiences: [a]}\n" * 4_900,
    "one audience many times": "when: manual\ndeliver: {f: [" + "a, " * 19_000 + "a]}",
    "as many flows as fit": "when: manual\ndeliver: {" + ", ".join(f"f{n}: [a{n}]" for n in range(5_100)) + "}",
    "as many pairs as fit": "when: manual\ndeliver: {f: [" + ", ".join(f"a{n}" for n in range(5_000)) + "]}",
    "bad audiences": "when: manual\ndeliver: {f: {" + ", ".join(f"'a {n}': '\\t'" for n in range(9_000)) + "}}",
    "unknown keys": "".join(f"timezon{n}: 1\n" for n in range(9_900)),
    "empty keys": "".join(f"k{n}:\n" for n in range(9_900)),
    "a long key": f"{'timezone' * 50_000}: 1\n",
    "a long zone": f"{SOUND}timezone: {'Europe/Berlin' * 30_000}\n",
    "a long cron": f"when: '{'1,' * 200_000}2 * * * *'\ndeliver: {{f: [a]}}\n",
    "a number of digits": f"when: '{'1' * 240} * * * *'\ndeliver: {{f: [a]}}\n",
    "a wide cron": "when: '0-9999 0-9999 * * *'\ndeliver: {f: [a]}\n",
    "a rare cron": "when: '0 0 29 2 MON'\ndeliver: {f: [a]}\n",
    "a long name": f"name: {'a' * 400_000}\n{SOUND}",
    "a long address": f"{SOUND}notices: {{email: {'a@' * 200_000}}}\n",
    "many addresses": f"{SOUND}notices: {{email: [{'a@b, ' * 19_000}x]}}\n",
    "a long class": f"{SOUND}notices: {{notifiers: [{{class: {'a.' * 200_000}b}}]}}\n",
    "deep arguments": f"{SOUND}notices: {{notifiers: [{{class: a.b, x: {'[' * 15}{']' * 15}}}]}}\n",
    "many arguments": SOUND + "notices: {notifiers: [" + ", ".join(["{class: a.b, token: x}"] * 3_000) + "]}\n",
    "an argument of braces": f"{SOUND}notices: {{notifiers: [{{class: a.b, x: '{'{{' * 200_000}'}}]}}\n",
    "an argument of blanks": f"{SOUND}notices: {{notifiers: [{{class: a.b, x: '{{{{{' ' * 400_000}'}}]}}\n",
    "an argument of colons": f"{SOUND}notices: {{notifiers: [{{class: a.b, x: '{'a://' * 90_000}'}}]}}\n",
    "a text of letters": f"{SOUND}notices: {{notifiers: [{{class: a.b, x: '{'a' * 480_000}'}}]}}\n",
    "a text of dashes": f"{SOUND}title: '{'bearer ' * 60_000}'\n",
    "brackets": "[" * MAX_BYTES,
    "braces": "{a: " * (MAX_BYTES // 4),
    "dashes": "- " * (MAX_BYTES // 2),
    "quotes": "'" * MAX_BYTES,
    "comments": "#\n" * (MAX_BYTES // 2),
    "lines": "\n" * MAX_BYTES,
    "tabs": "\t" * MAX_BYTES,
    "a block text": "a: |\n" + " x\n" * 160_000,
    "a folded text": "a: >\n" + " x\n\n" * 120_000,
    "anchors": "".join(f"k{n}: &a{n} x\n" for n in range(9_900)),
    "one digit": f"{SOUND}sandbox: {'9' * 400_000}\n",
    "too large": "a" * (MAX_BYTES + 1),
    "tags": f"{SOUND}tags: [{'a, ' * 19_000}a]\n",
    "a long tag": f"{SOUND}tags: [{'a' * 101}]\n",
}
