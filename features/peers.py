"""What became of other leads like this one; learned in training, never from the lead itself."""

from scoring import against_won, each_attribute, feature, like_won, peers_rate

peers = peers_rate(each_attribute()).says(
    "leads of the same {name} buy {value} times as often as others"
)
profile = like_won(each_attribute()).says("the attributes taken together")
size = against_won(each_attribute()).says(
    "{name} above that of most buyers", "{name} below that of most buyers"
)
stay_against_buyers = against_won(feature("in_stage"), by="stage").says(
    "in this stage for longer than buyers usually",
    "in this stage for less long than buyers usually",
)
touches_against_buyers = against_won(feature("touches_ever"), by="stage").says(
    "more interactions than buyers at this stage", "fewer interactions than buyers at this stage"
)
