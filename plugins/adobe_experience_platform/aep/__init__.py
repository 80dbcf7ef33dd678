"""Adobe's API as plain Python: values, requests and readings, tokens and retries. No Airflow, no sockets.

A *call* (:mod:`.endpoints`) is a generator that yields requests and is sent responses; the hooks carry it.
"""

from . import auth, endpoints
from .answers import AnswerKind, AnswerReading, classify
from .connection import CONN_TYPE, DEFAULT_CONN_ID, AepConnection, conn_id_fault
from .diagnosis import explain
from .endpoints import PAGE_SIZE, Call, Request, Response
from .export_jobs import ExportJob, ExportStatus
from .flow_runs import UNKNOWN_COUNTS, Counts, FlowRun, RunStatus
from .flows import DestinationFlow, MappedAudience
from .json_values import as_dict
from .orders import Activation, Pair, by_flow
from .text import count, for_mail, for_markdown, named, names_secret, one_line, short_repr, without_secrets
from .transport import MAX_BODY, NeedToken, Received, Send, Sleep, TransportError, exchange, mint, retry_after_of
from .ui import destination_url

__all__ = [
    "CONN_TYPE",
    "DEFAULT_CONN_ID",
    "MAX_BODY",
    "PAGE_SIZE",
    "UNKNOWN_COUNTS",
    "Activation",
    "AepConnection",
    "AnswerKind",
    "AnswerReading",
    "Call",
    "Counts",
    "DestinationFlow",
    "ExportJob",
    "ExportStatus",
    "FlowRun",
    "MappedAudience",
    "NeedToken",
    "Pair",
    "Received",
    "Request",
    "Response",
    "RunStatus",
    "Send",
    "Sleep",
    "TransportError",
    "as_dict",
    "auth",
    "by_flow",
    "classify",
    "conn_id_fault",
    "count",
    "destination_url",
    "endpoints",
    "exchange",
    "explain",
    "for_mail",
    "for_markdown",
    "mint",
    "named",
    "names_secret",
    "one_line",
    "retry_after_of",
    "short_repr",
    "without_secrets",
]
