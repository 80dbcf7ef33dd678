"""What becomes of every call under every fault: the table that the tests play and docs/faults.md shows.

``python -m tests.promises.faults.table`` writes docs/faults.md.
"""

from __future__ import annotations

import enum
import textwrap
from pathlib import Path

PAGE = Path(__file__).resolve().parents[3] / "docs" / "faults.md"

TOKEN, JOBS, SIZES, FLOW = "POST /ims/token/v3", "GET /export/jobs", "GET /segment/jobs", "GET /flows/{id}"
FLOWS, RUNS, RUN, POST = "GET /flows", "GET /runs", "GET /runs/{id}", "POST /adhocrun"
CALLS = (TOKEN, JOBS, SIZES, FLOW, FLOWS, RUNS, RUN, POST)


class End(enum.Enum):
    """How a call ends; the value is what the page says."""

    # of the token and of reading calls
    SURVIVES = "survives"
    RENEWS = "survives: new token"
    LATER = "later"
    UNREADABLE = "unreadable"
    DENIED = "denied"
    ABSENT = "not found"
    REFUSED = "refused"
    # of the activation
    SENT = "sent once"
    NOT_SENT = "not sent"
    LOOK = "look in AEP"
    PERSON = "look, else a person"
    CONFLICT = "conflict"


EXPLAINED = {
    End.SURVIVES: (
        "The call is tried again, up to 5 times with growing pauses, and gives the right result once the fault is "
        "over. If it stays, the call fails and Airflow's retry, or the next poll of a wait, goes on."
    ),
    End.RENEWS: (
        "The token is renewed once and the call repeated. If the new one is refused too, the call fails: check "
        "the credential."
    ),
    End.LATER: ("AEP asks for a longer pause than a call waits. The call fails and Airflow's retry waits as told."),
    End.UNREADABLE: (
        "An answer in an unknown form is never read as an empty one. The call fails; Airflow's retry, or the next "
        "poll of a wait, asks again."
    ),
    End.DENIED: (
        "The call fails at once: the credential, its rights, or an address in the connection must be corrected."
    ),
    End.ABSENT: "The call fails at once: AEP does not know the id, or not in this sandbox.",
    End.REFUSED: "The call fails at once with AEP's own words: the request must be corrected.",
    End.SENT: (
        "The activation is delivered once. If the request provably never left or its token was refused, it is "
        "sent again; if that stays, it fails as *not sent*."
    ),
    End.NOT_SENT: "The call fails, nothing was delivered, and the record says so: the next try sends it.",
    End.LOOK: (
        "Nobody can know yet whether AEP took it. Its runs are looked for in AEP: found, they are adopted; not "
        "there after the settling time, the activation is sent again. Delivered once either way."
    ),
    End.PERSON: (
        "AEP has answered, but names no run that can be read. Its runs are looked for in AEP: found, they are "
        "adopted; else the task fails, names the pairs, and a person decides."
    ),
    End.CONFLICT: (
        "Another run for the audience is in progress: it is waited for, adopted, or the reason to stop, as "
        "`on_conflict` says."
    ),
}

OK, NEW, WAIT, ODD = End.SURVIVES, End.RENEWS, End.LATER, End.UNREADABLE
DENY, GONE, BAD = End.DENIED, End.ABSENT, End.REFUSED
SENT, NOT, LOOK, ASK, BUSY = End.SENT, End.NOT_SENT, End.LOOK, End.PERSON, End.CONFLICT

# fmt: off
TABLE: dict[str, tuple[End, ...]] = {
    #                                    TOKEN JOBS  SIZES FLOW  FLOWS RUNS  RUN   POST
    "connection refused":               (OK,   OK,   OK,   OK,   OK,   OK,   OK,   SENT),
    "reset before it took effect":      (OK,   OK,   OK,   OK,   OK,   OK,   OK,   LOOK),
    "reset after it took effect":       (OK,   OK,   OK,   OK,   OK,   OK,   OK,   LOOK),
    "no answer in time":                (OK,   OK,   OK,   OK,   OK,   OK,   OK,   LOOK),
    "slow body, byte by byte":          (OK,   OK,   OK,   OK,   OK,   OK,   OK,   LOOK),
    "slow headers, byte by byte":       (OK,   OK,   OK,   OK,   OK,   OK,   OK,   LOOK),
    "400":                              (DENY, BAD,  BAD,  BAD,  BAD,  BAD,  BAD,  BAD),
    "400 run already going on":         (DENY, BAD,  BAD,  BAD,  BAD,  BAD,  BAD,  BUSY),
    "400 not ready, retry":             (DENY, BAD,  BAD,  BAD,  BAD,  BAD,  BAD,  NOT),
    "401":                              (DENY, NEW,  NEW,  NEW,  NEW,  NEW,  NEW,  SENT),
    "403":                              (DENY, DENY, DENY, DENY, DENY, DENY, DENY, NOT),
    "404":                              (DENY, GONE, GONE, GONE, GONE, GONE, GONE, NOT),
    "408":                              (OK,   OK,   OK,   OK,   OK,   OK,   OK,   LOOK),
    "429 with Retry-After in seconds":  (OK,   OK,   OK,   OK,   OK,   OK,   OK,   LOOK),
    "429 with Retry-After as a date":   (OK,   OK,   OK,   OK,   OK,   OK,   OK,   LOOK),
    "429 with retryAfterMs":            (OK,   OK,   OK,   OK,   OK,   OK,   OK,   LOOK),
    "429 with nothing":                 (OK,   OK,   OK,   OK,   OK,   OK,   OK,   LOOK),
    "429 for over a minute":            (WAIT, WAIT, WAIT, WAIT, WAIT, WAIT, WAIT, LOOK),
    "500":                              (OK,   OK,   OK,   OK,   OK,   OK,   OK,   LOOK),
    "502 with HTML":                    (OK,   OK,   OK,   OK,   OK,   OK,   OK,   LOOK),
    "503":                              (OK,   OK,   OK,   OK,   OK,   OK,   OK,   LOOK),
    "504":                              (OK,   OK,   OK,   OK,   OK,   OK,   OK,   LOOK),
    "200 with an empty body":           (OK,   OK,   OK,   OK,   OK,   OK,   OK,   LOOK),
    "200 with HTML":                    (OK,   OK,   OK,   OK,   OK,   OK,   OK,   LOOK),
    "200 cut short":                    (OK,   OK,   OK,   OK,   OK,   OK,   OK,   LOOK),
    "200 with wrong types":             (ODD,  ODD,  ODD,  ODD,  ODD,  ODD,  ODD,  ASK),
    "200 with missing fields":          (ODD,  ODD,  ODD,  ODD,  ODD,  ODD,  ODD,  ASK),
    "200 with extra fields":            (OK,   OK,   OK,   OK,   OK,   OK,   OK,   SENT),
    "200 with a body of 10 MB":         (OK,   OK,   OK,   OK,   OK,   OK,   OK,   SENT),
    "200 with a body above the bound":  (OK,   OK,   OK,   OK,   OK,   OK,   OK,   LOOK),
    "redirect to the same host":        (DENY, OK,   OK,   OK,   OK,   OK,   OK,   LOOK),
    "redirect to a foreign host":       (DENY, BAD,  BAD,  BAD,  BAD,  BAD,  BAD,  LOOK),
}
# fmt: on

INTRO = """\
# What becomes of every call under every fault

This page is written by `python -m tests.promises.faults.table`, and the tests in `tests/promises/faults` play each cell
over real sockets, with the hook of the workers and with that of the triggerer.

A call that fails says which call it was, the HTTP status, AEP's code and words, the request id, and what to do next.
The time of a whole answer is bounded by the connection's `timeout`, also when its bytes dribble, and its size by
16 MiB: what is larger is not read to its end. The token is never sent to another host than the connection's.
"""


def render() -> str:
    """Return docs/faults.md."""
    head = ["fault", *(f"`{call}`" for call in CALLS)]
    rows = [head, ["---"] * len(head), *([fault, *(end.value for end in ends)] for fault, ends in TABLE.items())]
    lines = [INTRO, "## The table", "", *("| " + " | ".join(row) + " |" for row in rows), "", "## The words", ""]
    for end, text in EXPLAINED.items():
        lines += textwrap.wrap(f"* **{end.value}**: {text}", 120, subsequent_indent="  ")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(render())
