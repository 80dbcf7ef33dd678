"""No DAG of its own: this module fails to import when a campaign file has faults.

Airflow shows what it says in the banner of import errors. An error raised in campaigns.py would take the sound
campaigns down with the faulty ones.
"""

from __future__ import annotations

from pathlib import Path

from adobe_experience_platform.campaigns import campaigns_folder, raise_faults

raise_faults(campaigns_folder(Path(__file__).resolve().parent.parent / "include" / "campaigns"))
