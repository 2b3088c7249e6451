"""Written forms of dates and numbers, against what Python's own strptime says."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.init.dates import date_shape, number_shape, order_of

moments = st.datetimes(datetime(1990, 1, 1), datetime(2060, 12, 31)).map(
    lambda m: m.replace(microsecond=0)
)
FORMS = ("%d.%m.%Y %H.%M.%S", "%d/%m/%Y %H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y/%m/%d, %H:%M:%S")


@given(st.lists(moments, min_size=1, max_size=20), st.sampled_from(FORMS))
def test_the_form_found_reads_back_what_was_written(times, form):
    shape = date_shape([m.strftime(form) for m in times])
    assert shape is not None
    (found,) = shape.formats("day")
    assert [datetime.strptime(m.strftime(form), found) for m in times] == times


@given(st.lists(moments, min_size=1, max_size=20))
def test_an_order_that_is_sure_is_right(times):
    """The slow twin: an order is sure only if the other one cannot read some value."""
    written = [m.strftime("%m/%d/%Y") for m in times]
    shape = date_shape(written)
    assert shape is not None
    order, sure, _ = order_of([shape], "open", "")
    impossible = any(m.day > 12 for m in times)
    assert (order, sure) == (("month", True) if impossible else ("open", False))


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ("31.12.2026 14.05", "%d.%m.%Y %H.%M"),
        ("31.12.2026 klo 9.05", "%d.%m.%Y klo %H.%M"),
        ("31.12.26", "%d.%m.%y"),
        ("31/12/2026 2:05 PM", "%d/%m/%Y %I:%M %p"),
        ("2026-12-31T14:05:00+02:00", "%Y-%m-%dT%H:%M:%S%z"),
        ("2026-1-5", "%Y-%m-%-d"),
    ],
)
def test_real_forms(value, form):
    shape = date_shape([value])
    assert shape is not None
    assert shape.formats("day") == [form]


@pytest.mark.parametrize("value", ["12", "1.2.3", "13/13/2026", "10.0.0.1", "2026-13-01", "x"])
def test_what_is_no_date(value):
    assert date_shape([value]) is None


def test_values_that_contradict_each_other_stay_open():
    shape = date_shape(["13/01/2026", "01/13/2026"])
    assert shape is not None
    order, sure, because = order_of([shape], "day", "")
    assert (order, sure) == ("open", False)
    assert "only" in because


def test_dots_are_day_first_but_not_surely():
    shape = date_shape(["01.02.2026"])
    assert shape is not None
    assert order_of([shape], "open", "")[:2] == ("day", False)


@pytest.mark.parametrize(
    ("values", "comma", "point", "dirty"),
    [
        (["1 234,50"], True, False, False),
        (["1.234,50 €"], True, False, True),
        (["$1,234.50"], False, True, True),
        (["1,234"], False, False, True),
        (["1,234,567"], False, True, True),
        (["12.5"], False, True, False),
    ],
)
def test_decimal_signs(values, comma, point, dirty):
    shape = number_shape(values)
    assert shape is not None
    assert (shape.comma > 0, shape.point > 0, shape.dirty) == (comma, point, dirty)


def test_excel_serials_are_days_of_our_times():
    assert number_shape(["46022,586", "46100"]).excel
    assert not number_shape(["12", "46022"]).excel
    assert number_shape(["46022", "n/a"]) is None
