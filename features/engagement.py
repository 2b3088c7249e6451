"""How much a lead does, how recently, how evenly, and whether it is getting more or less."""

from scoring import feature, interactions, lead_age

touches = (
    interactions()
    .not_by_machine()
    .count(last_days=[7, 30, 90])
    .says("{n} interaction in {days} days", "{n} interactions in {days} days")
)
touches_ever = (
    interactions()
    .not_by_machine()
    .count()
    .says("{n} interaction so far", "{n} interactions so far")
)
days_active = (
    interactions()
    .not_by_machine()
    .active_days(last_days=[30, 90])
    .says("active on {n} day of the last {days}", "active on {n} days of the last {days}")
)
first_touch = interactions().not_by_machine().first_on().says("first interaction on {date}")
last_touch = interactions().not_by_machine().last_on().says("last interaction on {date}")
lately = (
    interactions(direction="inbound")
    .not_by_machine()
    .decayed(half_life_days=[14])
    .says("has turned to us of late")
)
usual_gap = (
    interactions()
    .not_by_machine()
    .gap_mean()
    .says("usually {n} day between interactions", "usually {n} days between interactions")
)
last_gap = (
    interactions()
    .not_by_machine()
    .gap_last()
    .says("{n} day between the last two interactions", "{n} days between the last two interactions")
)
longest_gap = (
    interactions()
    .not_by_machine()
    .gap_longest()
    .says("{n} day without anything at most", "{n} days without anything at most")
)
silence = (feature("last_touch") / feature("usual_gap")).says(
    "silent for longer than usual", "not silent for longer than usual"
)
momentum = (
    interactions()
    .not_by_machine()
    .trend(last_days=[14, 30])
    .says(
        "more active in the last {days} days than before",
        "less active in the last {days} days than before",
    )
)
# Impulsive, then listless: much of everything in a few days.
burst = (
    interactions(direction="inbound")
    .not_by_machine()
    .busiest_share(within_days=3)
    .says("{share} of what they did fell in three days")
    .warns("low_engagement")
)
kinds_of_touch = (
    interactions()
    .not_by_machine()
    .distinct("type", last_days=[90])
    .says("{n} kind of interaction in {days} days", "{n} kinds of interactions in {days} days")
)
age_of_lead = lead_age().says("lead created on {date}")
