"""Adobe's API as plain Python: values, requests and readings, tokens and retries. No Airflow, no sockets.

A *call* (:mod:`.endpoints`) is a generator that yields requests and is sent responses; the hooks carry it.
"""

from . import auth, endpoints, transport
from .calls import PAGE_SIZE, Call
from .connection import (
    CONN_TYPE,
    DEFAULT_CONN_ID,
    AepConnection,
    conn_id_fault,
    is_loopback,
    no_connection,
    proxy_address,
)
from .diagnosis import explain
from .export_jobs import ExportJob, ExportStatus
from .flow_runs import Counts, FlowRun, Reason, RunStatus
from .flows import DestinationFlow, MappedAudience, destination_url
from .orders import Activation, Pair, by_flow
from .pace import LONGEST_PAUSE, TOO_MANY, Pace
from .segment_jobs import SegmentJob
from .text import count, for_mail, for_markdown, named, names_secret, one_line, quoted, short_repr, without_secrets

__all__ = [
    "CONN_TYPE",
    "DEFAULT_CONN_ID",
    "LONGEST_PAUSE",
    "PAGE_SIZE",
    "TOO_MANY",
    "Activation",
    "AepConnection",
    "Call",
    "Counts",
    "DestinationFlow",
    "ExportJob",
    "ExportStatus",
    "FlowRun",
    "MappedAudience",
    "Pace",
    "Pair",
    "Reason",
    "RunStatus",
    "SegmentJob",
    "auth",
    "by_flow",
    "conn_id_fault",
    "count",
    "destination_url",
    "endpoints",
    "explain",
    "for_mail",
    "for_markdown",
    "is_loopback",
    "named",
    "names_secret",
    "no_connection",
    "one_line",
    "proxy_address",
    "quoted",
    "short_repr",
    "transport",
    "without_secrets",
]
