"""What `features.py` measures: counts per type and window, recency, days, gaps, shares, money."""

from scoring import each_attribute, feature, interactions, lead_age, stage_changes

by_type = (
    interactions().each_type().count(last_days=[30, 90]).says("{name}: {n} times in {days} days")
)
last_by_type = interactions().each_type().last_on().says("{name}: last on {date}")
touches = (
    interactions().count(last_days=[7, 14, 30, 60, 90]).says("{n} interactions in {days} days")
)
touches_ever = interactions().count().says("{n} interactions so far")
theirs = (
    interactions(direction="inbound")
    .count(last_days=[7, 30, 90])
    .says("{n} actions of theirs in {days} days")
)
ours = (
    interactions(direction="outbound")
    .count(last_days=[7, 30, 90])
    .says("we tried {n} times in {days} days")
)
they_last = interactions(direction="inbound").last_on().says("they last did something on {date}")
we_last = interactions(direction="outbound").last_on().says("we last tried on {date}")
balance = (feature("theirs_90d") / feature("ours_90d")).says("{value} of theirs for each of ours")
days_active = interactions().active_days(last_days=[7, 30, 90]).says("active on {n} of {days} days")
first_touch = interactions().first_on().says("first interaction on {date}")
last_touch = interactions().last_on().says("last interaction on {date}")
usual_gap = interactions().gap_mean().says("usually {n} days between interactions")
last_gap = interactions().gap_last().says("{n} days between the last two interactions")
momentum = (
    interactions().trend(last_days=[14, 30]).says("more in {days} days", "less in {days} days")
)
opened = (
    interactions("email_*")
    .share(type="email_opened", last_days=[30, 90])
    .says("{share} of the emails were opened ones")
)
moved = (
    interactions("meeting_*")
    .share(type=["meeting_rescheduled", "meeting_cancelled"])
    .says("moved or cancelled {share} of the meetings")
)
talked = interactions().sum("duration_s", last_days=[30, 90]).says("{value} seconds in {days} days")
talked_usually = interactions().mean("duration_s").says("usually {value} seconds")
talked_longest = (
    interactions().max("duration_s", last_days=[90]).says("{value} seconds at the longest")
)
talked_last = interactions().last("duration_s").says("last {value} seconds")
pages = interactions("page_view").sum("pages", last_days=[30, 90]).says("{value} pages")
kinds = interactions().distinct("type", last_days=[30, 90]).says("{n} kinds of interactions")
people = interactions().distinct("contact_id", last_days=[90]).says("{n} people in {days} days")
moves = stage_changes().count(last_days=[30, 90]).says("{n} stage changes in {days} days")
stage = stage_changes().last("stage").says("now in stage {value}")
in_stage = stage_changes().last_on().says("in this stage since {date}")
stages_seen = stage_changes().distinct("stage").says("{n} stages so far")
age = lead_age().says("lead created on {date}")
attributes = each_attribute().says("{name}: {value}")
