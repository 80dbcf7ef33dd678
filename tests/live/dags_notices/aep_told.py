"""DAGs that deliver and tell how it ended, to the SMTP server of the tests and to one that is not there."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, Param

from adobe_experience_platform import activation_pipeline
from adobe_experience_platform.notifications.deadlines import delivered_within
from adobe_experience_platform.notifications.notices import Notices

NOTICES = Notices(
    email="team@example.com",
    notifiers=[
        {
            "class": "adobe_experience_platform.notifications.mail.NoticeMail",
            "to": "nobody@example.com",
            "smtp_conn_id": "smtp_dead",
        }
    ],
)
PARAMS = {
    "activation_info": Param({}, type="object"),
    "aep_conn_id": Param("aep_default", type="string"),
    "poll_interval": Param(2, type="number"),
}

with DAG("aep_told", schedule=None, tags=["aep-activation"], params=PARAMS) as told:
    activation_pipeline(
        activation_info=told.param("activation_info"),
        aep_conn_id=told.param("aep_conn_id"),
        poll_interval=told.param("poll_interval"),
        notices=NOTICES,
        emit_assets=True,
    )

with DAG(
    "aep_told_late",
    schedule=None,
    tags=["aep-activation"],
    params=PARAMS,
    # The triggerer tells of the one, the DAG processor of the other: no task of such a run gets to tell anything.
    deadline=delivered_within(timedelta(seconds=2), NOTICES.deadline_callback("delivered within 2 seconds")),
    dagrun_timeout=timedelta(seconds=30),
    on_failure_callback=NOTICES.on_run_failure,
) as late:
    activation_pipeline(
        activation_info=late.param("activation_info"),
        aep_conn_id=late.param("aep_conn_id"),
        poll_interval=late.param("poll_interval"),
        notices=NOTICES,
    )
