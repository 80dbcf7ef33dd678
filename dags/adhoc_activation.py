"""Deliver audiences on demand: the DAG that a marketer starts with *Trigger*."""

from __future__ import annotations

from airflow.sdk import DAG, Param

from adobe_experience_platform.pipeline import activation_pipeline

DOC = """
### Deliver Adobe Experience Platform audiences now

Sends the chosen audiences to their file destinations **exactly once**, without waiting for the daily
export. AEP delivers the latest daily snapshot; audiences are not re-evaluated.

1. Run **aep_catalog** once: its log lists your destinations and audiences, and JSON to paste here.
2. Press **Trigger**, paste it into *What to deliver*, keep what you need, and start.
3. Not sure? Tick **Dry run**: everything is checked and shown, nothing is sent.

`plan_jobs` shows what will happen, `report` what happened. The run waits while AEP is exporting.
A red run says what was not delivered: **clear only its failed tasks** to finish exactly that. To deliver
everything again, start a new run.
"""

LIMITS = "Limits and waiting"
POLICIES = "Conflicts and stale exports"
PLACE = "Connection"

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
                'Destination flows and their audiences: `{"<flow id>": ["<audience id>", "<audience id>"]}`. '
                "The DAG **aep_catalog** prints this: click into the box, select all (Ctrl+A), paste."
            ),
        ),
        "dry_run": Param(
            False,
            type="boolean",
            title="Dry run",
            description="Check everything and show the plan, but send nothing.",
        ),
        "sandbox_name": Param(
            None,
            type=["null", "string"],
            title="Sandbox",
            description="Leave empty for the connection's sandbox.",
            section=PLACE,
        ),
        "aep_conn_id": Param(
            "aep_default",
            type="string",
            minLength=1,
            title="Airflow connection",
            description="A connection of type Adobe Experience Platform.",
            section=PLACE,
        ),
        "on_conflict": Param(
            "wait",
            type="string",
            enum=["wait", "adopt", "fail"],
            values_display={
                "wait": "wait until it has ended, then deliver",
                "adopt": "take it as this delivery",
                "fail": "stop, send nothing",
            },
            title="If the audience is already being delivered",
            description="Another on-demand delivery of the same audience is in progress.",
            section=POLICIES,
        ),
        "on_partial_success": Param(
            "fail",
            type="string",
            enum=["fail", "accept"],
            values_display={"fail": "the run fails", "accept": "accept it"},
            title="If AEP delivers only part",
            description="AEP reports partial success: some records did not arrive.",
            section=POLICIES,
        ),
        "max_export_age_hours": Param(
            36,
            type=["number", "null"],
            minimum=0,
            maximum=8760,
            title="Oldest snapshot (hours)",
            description="Refuse to deliver a daily snapshot older than this. Empty: any age.",
            section=POLICIES,
        ),
        "api_version": Param(
            "v2",
            type="string",
            enum=["v2", "v1"],
            values_display={"v2": "v2 (recommended by Adobe)", "v1": "v1 (sends the export job's id)"},
            title="Version of the activation API",
            section=LIMITS,
        ),
        "max_audiences_per_job": Param(
            80,
            type="integer",
            minimum=1,
            maximum=80,
            title="Audiences per job",
            description="At most 80; an audience counts once per destination. Larger deliveries become several jobs.",
            section=LIMITS,
        ),
        "poll_interval": Param(
            30,
            type="number",
            minimum=1,
            maximum=3600,
            title="Longest pause between two polls (seconds)",
            section=LIMITS,
        ),
        "export_timeout_minutes": Param(
            240,
            type="number",
            minimum=0,
            maximum=10080,
            title="Wait for the daily export (minutes)",
            section=LIMITS,
        ),
        "activation_timeout_minutes": Param(
            180,
            type="number",
            minimum=0,
            maximum=10080,
            title="Wait for the delivery (minutes)",
            section=LIMITS,
        ),
    },
) as dag:
    activation_pipeline(
        activation_info=dag.param("activation_info"),
        sandbox_name=dag.param("sandbox_name"),
        api_version=dag.param("api_version"),
        max_audiences_per_job=dag.param("max_audiences_per_job"),
        max_export_age_hours=dag.param("max_export_age_hours"),
        on_conflict=dag.param("on_conflict"),
        on_partial_success=dag.param("on_partial_success"),
        dry_run=dag.param("dry_run"),
        poll_interval=dag.param("poll_interval"),
        export_timeout_minutes=dag.param("export_timeout_minutes"),
        activation_timeout_minutes=dag.param("activation_timeout_minutes"),
        aep_conn_id=dag.param("aep_conn_id"),
        check_conf=True,
    )
