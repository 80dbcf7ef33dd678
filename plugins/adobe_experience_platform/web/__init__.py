"""The Activation pages: a static application, served to those who may see Airflow's plugins.

Only the API server imports this package. The pages hold no data: the browser asks Airflow's own REST API, with the
visitor's own session, so that nobody sees a DAG here that Airflow would not show them.
"""
