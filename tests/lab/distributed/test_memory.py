"""What a replica takes is what all its processes take, also those in a session of their own."""

from __future__ import annotations

import subprocess
import sys

from lab.distributed import memory

# A session leader, whose child makes a session of its own as PostgreSQL's do; both wait for stdin to end.
LEADER = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", CHILD], stdin=sys.stdin, start_new_session=True)
child.wait()
"""
CHILD = "import sys; block = bytearray(60 << 20); print('ready', flush=True); sys.stdin.read()"


def test_counts_children_in_sessions_of_their_own() -> None:
    text = LEADER.replace("CHILD", repr(CHILD))
    with subprocess.Popen(
        [sys.executable, "-c", text], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True, text=True
    ) as leader:
        assert leader.stdout is not None
        assert leader.stdout.readline() == "ready\n"

        used = memory._used({"postgres-1": leader.pid, "gone-1": 2**22 + 1})
        leader.communicate()

    assert list(used) == ["postgres-1"]
    assert used["postgres-1"] > 60 << 20
