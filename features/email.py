"""What becomes of the emails and material that we send, without what machines opened."""

from scoring import feature, interactions

_sent = interactions("email_sent", "email_out*", "email_delivered")
_opened = interactions("email_open*").not_by_machine()
_clicked = interactions("email_click*", "link_click*").not_by_machine()
_answered = interactions("email_rec*", "email_rep*", "email_in*").not_by_machine()

emails_opened = _opened.count(last_days=[30, 90]).says(
    "opened {n} email in {days} days", "opened {n} emails in {days} days"
)
emails_clicked = _clicked.count(last_days=[90]).says(
    "clicked a link {n} time in {days} days", "clicked a link {n} times in {days} days"
)
last_open = _opened.last_on().says("last opened an email on {date}")
open_share = (
    _sent.followed_share(_opened, within_days=14, last_days=[90])
    .says("opened {share} of our emails within two weeks")
    .warns("low_engagement", side="low")
)
unanswered = (
    _sent.unfollowed(_answered, within_days=7, last_days=[90])
    .says(
        "left {n} email of ours unanswered in {days} days",
        "left {n} emails of ours unanswered in {days} days",
    )
    .warns("low_engagement", unless="waits_for_us")
)
answer_share = _sent.followed_share(_answered, within_days=7, last_days=[90]).says(
    "answered {share} of our emails within a week"
)
# Material that has to be sent again and again.
_material = interactions("email_sent", "email_out*", "material_sent", "document_sent", "quote_sent")
materials_sent = _material.distinct("material_id").says(
    "we sent {n} different material", "we sent {n} different materials"
)
_offers = interactions(
    "proposal_sent", "quote_sent", "offer_sent", "contract_sent", "material_sent"
)
_read = interactions(
    *("proposal_open*", "quote_open*", "offer_open*", "contract_open*", "material_open*"),
    *("proposal_view*", "quote_view*", "offer_view*", "contract_view*"),
)
offer_read = _offers.followed_share(_read, within_days=7).says(
    "opened {share} of our offers within a week"
)
offers_unread = (
    _offers.unfollowed(_read, within_days=7)
    .says("did not open {n} offer of ours", "did not open {n} offers of ours")
    .warns("low_engagement", unless="offered_early_90d")
)
bounced = (
    interactions("*bounce*", "*undeliver*")
    .count()
    .says("{n} email came back", "{n} emails came back")
)
left_the_list = (
    interactions("*unsubscrib*", "*opt_out*", "*spam*complain*")
    .last_on()
    .says("wanted no more emails on {date}")
)
clicks_per_open = (feature("emails_clicked_90d") / feature("emails_opened_90d")).says(
    "{value} clicks for each email opened"
)
