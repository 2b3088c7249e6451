"""Meetings, demos and visits: held, moved by whom, who was invited, and what is booked next."""

from scoring import feature, interactions

_HELD = ("meeting_held", "meeting_completed", "meeting_attended", "demo_held", "demo_completed")
_HELD_TOO = ("visit_held", "appointment_held", "consultation_held")
_MOVED = ("meeting_resched*", "meeting_moved", "meeting_postpone*", "demo_resched*")
_OFF = ("meeting_cancel*", "demo_cancel*", "*no_show*")
_ANY = ("meeting*", "demo*", "visit_*", "appointment*", "consultation*")

held = (
    interactions(*_HELD, *_HELD_TOO)
    .count(last_days=[90])
    .says("met {n} time in {days} days", "met {n} times in {days} days")
)
last_meeting = interactions(*_HELD, *_HELD_TOO).last_on().says("last met on {date}").earnest()
next_step = interactions().ahead("next_step_on").says("a next step is booked for {date}")
# Many calendars have to meet: only what the customer moved says something about the customer.
moved_by_them = (
    interactions(*_MOVED, *_OFF, direction="inbound")
    .count(last_days=[90])
    .says(
        "customer moved or cancelled {n} meeting in {days} days",
        "customer moved or cancelled {n} meetings in {days} days",
    )
)
moved_alone = (
    interactions(*_MOVED, *_OFF, direction="inbound")
    .where("invited_count", at_most=4, or_missing=True)
    .count(last_days=[90])
    .says(
        "moved or cancelled {n} meeting of few people in {days} days",
        "moved or cancelled {n} meetings of few people in {days} days",
    )
    .warns("low_engagement", strong=True)
)
moved_by_us = (
    interactions(*_MOVED, *_OFF, direction="outbound")
    .count(last_days=[90])
    .says(
        "we moved or cancelled {n} meeting in {days} days",
        "we moved or cancelled {n} meetings in {days} days",
    )
)
meetings_moved_share = (
    interactions(*_ANY)
    .share(type=[*_MOVED, *_OFF])
    .says("moved or cancelled {share} of the meetings")
)
steps_missed = (
    interactions()
    .missed("next_step_on", done=interactions(*_HELD, *_HELD_TOO, "call*"), last_days=[180])
    .says("{n} agreed next step was not taken", "{n} agreed next steps were not taken")
    .warns("low_engagement", unless="moved_by_us_90d")
)
most_invited = (
    interactions(*_ANY)
    .max("invited_count")
    .says("{n} person was invited at most", "{n} people were invited at most")
)
deciders_invited = (
    interactions(*_ANY)
    .sum("deciding_invited")
    .says("people who decide were invited {n} time", "people who decide were invited {n} times")
)
deciders_attended = (
    interactions(*_ANY)
    .sum("deciding_attended")
    .says("people who decide attended {n} time", "people who decide attended {n} times")
)
deciders_there = (feature("deciders_attended") / feature("deciders_invited")).says(
    "people who decide came {value} times for each invitation"
)
