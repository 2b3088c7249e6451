"""What became of other leads like this one; learned in training, never from the lead itself."""

from scoring import against_won, attribute, each_attribute, feature, like_won, peers_rate

# Who of us looks after a lead and where it came from say nothing about its profile.
_profile = each_attribute(but=["owner_id", "source"])
_sizes = each_attribute(but=["amount"])

peers = peers_rate(_profile).says("buy {value} times as often as others: same {name}")
peers_owner_id = peers_rate(attribute("owner_id")).says(
    "buy {value} times as often as others: same owner"
)
peers_source = peers_rate(attribute("source")).says(
    "buy {value} times as often as others: same source"
)
profile = (
    like_won(_profile)
    .says("has the profile of buyers", "does not have the profile of buyers")
    .warns("outside_profile", strong=True, side="low")
)
# Much larger or smaller than the companies that bought: of all, and of the same industry.
size = (
    against_won(_sizes)
    .says("{name} above that of most buyers", "{name} below that of most buyers")
    .warns("outside_profile", side="both")
)
size_in_industry = (
    against_won(_sizes, by="industry")
    .says(
        "{name} above that of buyers of its industry",
        "{name} below that of buyers of its industry",
    )
    .warns("outside_profile", side="both")
)
deal_size = against_won(attribute("amount")).says(
    "amount above that of most buyers", "amount below that of most buyers"
)
stay_against_buyers = (
    against_won(feature("in_stage"), by="stage")
    .says(
        "in this stage for longer than buyers usually",
        "in this stage for less long than buyers usually",
    )
    .warns("busy_without_progress", unless=["waits_for_us", "offered_early_90d"])
)
touches_against_buyers = (
    against_won(feature("touches_ever"), by="stage")
    .says(
        "more interactions than buyers at this stage",
        "fewer interactions than buyers at this stage",
    )
    .warns("busy_without_progress")
)
