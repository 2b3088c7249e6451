"""How much a lead does, how recently, and whether it is getting more or less."""

from scoring import interactions, lead_age

touches = (
    interactions()
    .count(last_days=[7, 30, 90])
    .says("{n} interaction in {days} days", "{n} interactions in {days} days")
)
touches_ever = interactions().count().says("{n} interaction so far", "{n} interactions so far")
days_active = (
    interactions()
    .active_days(last_days=[30, 90])
    .says("active on {n} day of the last {days}", "active on {n} days of the last {days}")
)
first_touch = interactions().first_on().says("first interaction on {date}")
last_touch = interactions().last_on().says("last interaction on {date}")
usual_gap = (
    interactions()
    .gap_mean()
    .says("usually {n} day between interactions", "usually {n} days between interactions")
)
last_gap = (
    interactions()
    .gap_last()
    .says("{n} day between the last two interactions", "{n} days between the last two interactions")
)
momentum = (
    interactions()
    .trend(last_days=[14, 30])
    .says(
        "more active in the last {days} days than before",
        "less active in the last {days} days than before",
    )
)
kinds_of_touch = (
    interactions()
    .distinct("type", last_days=[90])
    .says("{n} kind of interaction in {days} days", "{n} kinds of interactions in {days} days")
)
age_of_lead = lead_age().says("lead created on {date}")
