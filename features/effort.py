"""Their effort against ours: who writes, who answers, who waits."""

from scoring import feature, interactions

theirs = (
    interactions(direction="inbound")
    .count(last_days=[30, 90])
    .says("{n} action of theirs in {days} days", "{n} actions of theirs in {days} days")
)
ours = (
    interactions(direction="outbound")
    .count(last_days=[30, 90])
    .says("we tried {n} time in {days} days", "we tried {n} times in {days} days")
)
they_last = interactions(direction="inbound").last_on().says("they last did something on {date}")
we_last = interactions(direction="outbound").last_on().says("we last tried on {date}")
their_share = (feature("theirs_90d") / feature("ours_90d")).says(
    "{value} actions of theirs for each of ours"
)
people = (
    interactions()
    .distinct("contact_id", last_days=[90])
    .says("{n} person took part in {days} days", "{n} people took part in {days} days")
)
