"""Recurring campaigns: a YAML file becomes a DAG."""

from .dags import campaign_dags, campaigns_folder, raise_faults
from .file import Campaign, json_schema
from .folder import load
from .reading import FileFault, read_campaign

__all__ = [
    "Campaign",
    "FileFault",
    "campaign_dags",
    "campaigns_folder",
    "json_schema",
    "load",
    "raise_faults",
    "read_campaign",
]
