# Airflow with this project in it. The slim image brings no providers of its own, so that all versions
# come from requirements-deploy.txt, which the tests' requirements.txt agrees with.
# A tag can move. `make env` writes AIRFLOW_IMAGE with its digest where Docker can look it up; by hand:
#   docker build --build-arg AIRFLOW_IMAGE=apache/airflow:slim-3.3.2-python3.11@sha256:… .
ARG AIRFLOW_IMAGE=apache/airflow:slim-3.3.2-python3.11
FROM ${AIRFLOW_IMAGE}

COPY --chown=airflow:0 requirements-deploy.txt /tmp/requirements.txt
RUN pip install --no-cache-dir --require-hashes --requirement /tmp/requirements.txt

COPY --chown=airflow:0 pyproject.toml LICENSE NOTICE README.md ${AIRFLOW_HOME}/
COPY --chown=airflow:0 plugins/ ${AIRFLOW_HOME}/plugins/
COPY --chown=airflow:0 include/ ${AIRFLOW_HOME}/include/
COPY --chown=airflow:0 dags/ ${AIRFLOW_HOME}/dags/
# Editable: the plugins folder is on Airflow's path anyway, and an installed copy would shadow it.
RUN pip install --no-cache-dir --no-deps --no-build-isolation --editable "${AIRFLOW_HOME}"

# DAG files import from include/.
ENV PYTHONPATH=${AIRFLOW_HOME}
