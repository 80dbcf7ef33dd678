"""Recurring campaigns: a YAML file becomes a DAG."""

from .dags import campaign_dags, campaigns_folder, raise_faults
from .file import json_schema
from .folder import load

__all__ = ["campaign_dags", "campaigns_folder", "json_schema", "load", "raise_faults"]
