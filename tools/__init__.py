"""What `make` runs: the environment, a local Airflow, the demo."""
