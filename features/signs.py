"""Signs that the sale is near, and signs that it is not: what is asked for, tried and agreed to."""

from scoring import contacts, feature, interactions

_OFFER = ("proposal_sent", "quote_sent", "offer_sent")
_HAGGLE = ("discount_*", "*discount_request*", "haggl*", "free_plan_*")
_DECIDERS = (
    *("*decision*maker*", "decider", "*economic*buyer*", "*owner*", "founder", "ceo", "cfo"),
    *("*director*", "*päättäjä*", "*johtaja*", "*otsustaja*", "*juhataja*", "*директор*"),
)

price_asked = (
    interactions("price_*", "*pricing_question*", "quote_request*")
    .count(last_days=[30])
    .says(
        "asked about the price {n} time in {days} days",
        "asked about the price {n} times in {days} days",
    )
)
next_asked = (
    interactions("*next_step_question*", "*what_next*", "payment_question*", "*how_to_pay*")
    .last_on()
    .says("asked on {date} what happens next")
)
committed = (
    interactions(
        "*commitment*", "*agreed*", "*verbal_yes*", "*letter_of_intent*", "*positive_feedback*"
    )
    .last_on()
    .says("spoke for us on {date}")
)
consultation = (
    interactions("*consultation_request*", "demo_request*", "meeting_request*", "call_request*")
    .last_on()
    .says("asked for a talk on {date}")
)
nps = interactions("nps*", "*survey*").last("grade").says("last recommendation grade {value}")
haggled = (
    interactions(*_HAGGLE)
    .count()
    .says("asked for a discount {n} time", "asked for a discount {n} times")
)
offers = interactions(*_OFFER).count().says("{n} offer so far", "{n} offers so far")
haggled_per_offer = (feature("haggled") / feature("offers")).says(
    "asked for a discount {value} times for each offer"
)
haggled_on_offer = (
    interactions(*_OFFER)
    .followed_share(interactions(*_HAGGLE), within_days=30)
    .says("{share} of the offers were haggled over")
)
# A trial that is used, not only started.
trial_days = (
    interactions("trial_used*", "feature_used*", "app_*", "login*", "key_feature*")
    .active_days(last_days=[30])
    .says("used the trial on {n} day of {days}", "used the trial on {n} days of {days}")
)
trial_time = (
    interactions("trial_used*", "feature_used*", "app_*")
    .sum("duration_s", last_days=[30])
    .says(
        "used the trial for {n} second in {days} days",
        "used the trial for {n} seconds in {days} days",
    )
)
key_features = (
    interactions("feature_used*", "key_feature*")
    .distinct("feature")
    .says("tried {n} key feature", "tried {n} key features")
)
decider_joined = contacts(*_DECIDERS).first_on().says("somebody who decides joined on {date}")
