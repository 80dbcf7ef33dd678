"""Deliver audiences on demand: the DAG that a marketer starts with *Trigger*."""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, Param

from adobe_experience_platform import activation_pipeline
from adobe_experience_platform.delivery import SETTINGS, form_field

DOC = """
### Deliver Adobe Experience Platform audiences now

Sends the chosen audiences to their file destinations **exactly once**, without waiting for the daily
export. AEP delivers the latest daily snapshot; audiences are not re-evaluated.

1. Run **aep_catalog** once: its log lists your destinations and audiences, and JSON to paste here, by name and by id.
2. Press **Trigger**, paste it into *What to deliver*, keep what you need, and start.
3. Not sure? Tick **Dry run**: everything is checked and shown, nothing is sent.

`plan_jobs` shows what will happen, `report` what happened. The run waits while AEP is exporting.
A red run says what was not delivered: **clear only its failed tasks** to finish exactly that. To deliver
everything again, start a new run.
"""

with DAG(
    dag_id="aep_adhoc_activation",
    dag_display_name="AEP: deliver audiences now",
    description="Deliver Adobe Experience Platform audiences to file destinations on demand, exactly once.",
    doc_md=DOC,
    schedule=None,
    catchup=False,
    max_active_runs=16,
    default_args={"owner": "marketing-operations"},
    tags=["aep-activation"],
    params={
        "activation_info": Param(
            type="object",
            title="What to deliver",
            description_md=(
                "Destination flows and their audiences, by name exactly as AEP shows it, or by id: "
                '`{"Newsletter S3": ["Newsletter subscribers", "<audience id>"]}`. '
                "The DAG **aep_catalog** prints this: click into the box, select all (Ctrl+A), paste."
            ),
        ),
        **{name: Param(**form_field(name)) for name in SETTINGS},
    },
) as dag:
    settings: dict[str, Any] = {name: dag.param(name) for name in SETTINGS}
    activation_pipeline(
        activation_info=dag.param("activation_info"),
        **settings,
        check_conf=True,
    )
