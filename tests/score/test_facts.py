"""Which interactions are speech, and which are meetings that took place."""

from scoring.build.featureset import FeatureSet
from scoring.score.facts import with_facts


def _types(*types: str) -> dict[str, tuple[str, ...] | None]:
    empty = FeatureSet((), {}, frozenset(), frozenset())
    kinds = [{"type": t, "direction": "inbound"} for t in types]
    return {c.name: c.types for c in with_facts(empty, kinds).columns}


def test_opening_and_reading_is_not_speaking():
    spoken = _types("email_opened", "email_clicked", "page_view", "pageviews", "email_received",
                    "Chat Message", "trial_used")["_last_inbound"]  # fmt: skip
    assert spoken == ("Chat Message", "email_received")


def test_words_are_compared_whole():
    types = ("industrial_inquiry", "interview", "reopened_ticket", "review_request")
    assert _types(*types)["_last_inbound"] == types


def test_what_a_machine_or_a_list_sends_back_is_not_speaking():
    back = ("email_bounced", "email_unsubscribed", "email_delivered", "auto_reply", "demo_request")
    assert _types(*back)["_last_inbound"] == ("demo_request",)


def test_a_meeting_counts_where_it_took_place():
    not_held = ("demo_request", "meeting_request", "meeting_no_show", "meeting_missed")
    met = _types("meeting_held", "meeting_booked", "meeting-cancelled", "demo", "call", *not_held)
    assert met["_last_meeting"] == ("demo", "meeting_held")
