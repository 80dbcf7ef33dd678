"""A DAG that delivers and tells how it ended, to the SMTP server of the tests and to one that is not there."""

from __future__ import annotations

from airflow.sdk import DAG, Param

from adobe_experience_platform import activation_pipeline

with DAG(
    "aep_told",
    schedule=None,
    tags=["aep-activation"],
    params={
        "activation_info": Param({}, type="object"),
        "aep_conn_id": Param("aep_default", type="string"),
        "poll_interval": Param(2, type="number"),
    },
) as dag:
    activation_pipeline(
        activation_info=dag.param("activation_info"),
        aep_conn_id=dag.param("aep_conn_id"),
        poll_interval=dag.param("poll_interval"),
        notices={
            "email": "team@example.com",
            "notifiers": [
                {
                    "class": "adobe_experience_platform.mail.NoticeMail",
                    "to": "nobody@example.com",
                    "smtp_conn_id": "smtp_dead",
                }
            ],
        },
    )
