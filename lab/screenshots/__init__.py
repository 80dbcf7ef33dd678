"""The pictures of the documents, taken of a real Airflow; and how soon its pages are painted."""
