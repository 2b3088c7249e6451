"""Apache Spark as the place where pieces of work run; nothing outside this package knows pyspark.

session.py   one Spark session for the process, quiet, ended with it
compute.py   pieces of work and Parquet files over it: `engine/compute.py` says what is promised
"""
