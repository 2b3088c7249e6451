"""CSV that a person opens in a spreadsheet: nothing in it may run as a formula."""

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

NUMBER = re.compile(r"[+-]?[0-9]+([.,][0-9]+)?")


def neutralised(text: str) -> str:
    """`text` with an apostrophe before it where a spreadsheet would take it for a formula.

    Those are the texts that start with = + - @, a tab or a carriage return; a plain number, also
    a negative one, stays as it is. (OWASP, "CSV Injection".)
    """
    if text.startswith(("=", "+", "-", "@", "\t", "\r")) and not NUMBER.fullmatch(text):
        return "'" + text
    return text


def csv_bytes(frame: "pd.DataFrame") -> bytes:
    """The frame as UTF-8 CSV, texts neutralised, missing values empty."""

    def cell(value: Any) -> Any:
        return neutralised(value) if isinstance(value, str) else value

    return frame.map(cell).to_csv(index=False, lineterminator="\r\n").encode()
