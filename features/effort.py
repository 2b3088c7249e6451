"""Their effort against ours: who writes, who answers, who waits, and what it leads to.

Busy without progress is told from busy by what stands against it: stages reached, meetings held.
"""

from scoring import feature, interactions

# What is said, not merely opened or looked at.
_SPOKEN = (
    *("email_sent", "email_rec*", "email_rep*", "email_in*", "email_out*", "email", "call*"),
    *("chat*", "message*", "sms*", "whatsapp*", "*question*", "*request*", "form_*"),
)
_theirs = interactions(*_SPOKEN, direction="inbound").not_by_machine()
_ours = interactions(*_SPOKEN, direction="outbound")

theirs = (
    interactions(direction="inbound")
    .not_by_machine()
    .count(last_days=[30, 90])
    .says("{n} action of theirs in {days} days", "{n} actions of theirs in {days} days")
)
ours = (
    interactions(direction="outbound")
    .count(last_days=[30, 90])
    .says("we tried {n} time in {days} days", "we tried {n} times in {days} days")
)
they_last = (
    interactions(direction="inbound")
    .not_by_machine()
    .last_on()
    .says("they last acted on {date}")
    .warns("low_engagement", unless="waits_for_us")
)
we_last = interactions(direction="outbound").last_on().says("we last tried on {date}")
their_share = (feature("theirs_90d") / feature("ours_90d")).says(
    "{value} actions of theirs for each of ours"
)
waits_for_us = _theirs.waiting_since(_ours).says("has waited for us since {date}")
we_wait = _ours.waiting_since(_theirs).says("we have waited since {date}").warns("low_engagement")
our_answer = _theirs.response_median(_ours).says(
    "we usually answer within {n} hour", "we usually answer within {n} hours"
)
their_answer = _ours.response_median(_theirs).says(
    "they usually answer within {n} hour", "they usually answer within {n} hours"
)
their_last_answer = _ours.response_last(_theirs).says(
    "their last answer took {n} hour", "their last answer took {n} hours"
)
spoken_theirs = (
    _theirs.count()
    .says("they turned to us {n} time so far", "they turned to us {n} times so far")
    .warns("busy_without_progress", unless="waits_for_us")
)
# Endless questions: what they say and ask for every step along the pipeline.
talk_per_step = (
    (feature("spoken_theirs") / feature("moves_ever"))
    .says("they turned to us {value} times for each stage")
    .warns("busy_without_progress", strong=True, unless="waits_for_us")
)
ours_per_step = (feature("touches_ever") / feature("moves_ever")).says(
    "{value} interactions for each stage"
)
talk = (
    interactions("call*", "phone*")
    .sum("duration_s", last_days=[90])
    .says("{n} second on the phone in {days} days", "{n} seconds on the phone in {days} days")
)
long_talks = (
    interactions("call*", "phone*")
    .where("duration_s", at_least=1200)
    .count()
    .says("{n} call of 20 minutes or more", "{n} calls of 20 minutes or more")
    .warns("busy_without_progress")
)
short_calls = (
    interactions("call*", "phone*", direction="outbound")
    .share(
        part=interactions("call*", "phone*", direction="outbound").where("duration_s", at_most=30)
    )
    .says("{share} of our calls were over at once")
    .warns("low_engagement")
)
