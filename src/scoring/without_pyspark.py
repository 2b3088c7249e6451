"""pandera, imported without the pyspark that it imports itself wherever that is installed.

It would take seconds, warn about pandas 3 on every command's stderr, and leave SPARK_LOCAL_IP and
PYARROW_IGNORE_TIMEZONE in the environment: a driver on the loopback address that no executor of a
cluster reaches, and times that lose their zone.
"""

import os
import sys

_VARIABLES = ("SPARK_LOCAL_IP", "PYARROW_IGNORE_TIMEZONE")
_before = {name: os.environ.get(name) for name in _VARIABLES}
_loaded = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "pyspark"}
for _name in _loaded:
    del sys.modules[_name]
sys.modules["pyspark"] = None  # type: ignore[assignment]  # "there is none", to import statements
try:
    import pandera.pandas as pandera
finally:
    del sys.modules["pyspark"]
    sys.modules.update(_loaded)
    for _name, _value in _before.items():
        if _value is None:
            os.environ.pop(_name, None)
        else:
            os.environ[_name] = _value

__all__ = ["pandera"]
