"""Signs that a lead will not buy, and signs that the sale is near.

`.warns` makes a feature a sign of one kind (low_engagement, busy_without_progress,
outside_profile); strong ones are evidence by themselves, weak ones need company. Where no number
stands behind it, unusual is what few buyers had at the same stage and age. `unless` names what is
our own fault: then the sign says nothing. `.earnest` marks what a lead does that means to buy; a
new one lifts a flag. Other signs stand where their theme is: `.warns` in meetings.py, email.py …
"""

from scoring import attribute, contacts, feature, interactions, lead_changes

_OFFER = ("proposal_sent", "quote_sent", "offer_sent")
_HAGGLE = ("discount_*", "*discount_request*", "haggl*", "free_plan_*")
_HELD = (
    *("meeting_held", "meeting_completed", "meeting_attended", "demo_held", "demo_completed"),
    *("visit_held", "appointment_held", "consultation_held"),
)
_DECIDERS = (
    *("*decision*maker*", "decider", "*economic*buyer*", "*budget*", "*owner*", "founder", "ceo"),
    *("cfo", "coo", "cto", "cio", "cmo", "chief*", "*director*", "president"),
    *("*päättäjä*", "*johtaja*", "omistaja", "*otsustaja*", "*juhataja*", "omanik"),
    *("лпр", "*директор*", "*принимающ*решени*", "владелец"),
)

# --- what we did ourselves: it excuses the lead ---------------------------------------------------

# A proposal before anybody had met or asked what is needed.
offered_early = (
    interactions(*_OFFER)
    .unprepared(interactions(*_HELD, "call*", "phone*", "needs_*"), last_days=[90])
    .says(
        "we made {n} offer before any talk in {days} days",
        "we made {n} offers before any talk in {days} days",
    )
)

# --- busy without progress ------------------------------------------------------------------------

haggled = (
    interactions(*_HAGGLE)
    .count()
    .says("asked for a discount {n} time", "asked for a discount {n} times")
    .warns("busy_without_progress", strong=True)
)
offers = interactions(*_OFFER).count().says("{n} offer so far", "{n} offers so far")
haggled_per_offer = (feature("haggled") / feature("offers")).says(
    "asked for a discount {value} times for each offer"
)
haggled_on_offer = (
    interactions(*_OFFER)
    .followed_share(interactions(*_HAGGLE), within_days=30)
    .says("{share} of the offers were haggled over")
    .warns("busy_without_progress")
)
# The same material more than three times.
sent_again = (
    interactions("email_sent", "email_out*", "material_sent", "document_sent", "quote_sent")
    .repeated("material_id")
    .says("we sent the same material {n} time", "we sent the same material {n} times")
    .warns("busy_without_progress", strong=True, above=3)
)
# Nobody who decides, invited or not.
deciders_known = (
    contacts(*_DECIDERS)
    .distinct("contact_id")
    .says("{n} person who decides is known", "{n} people who decide are known")
    .warns("busy_without_progress", side="low")
)
deciders_absent = (
    interactions(*_HELD)
    .where("deciding_invited", at_least=1)
    .where("deciding_attended", at_most=0)
    .count()
    .says(
        "{n} meeting without the invited people who decide",
        "{n} meetings without the invited people who decide",
    )
    .warns("busy_without_progress", strong=True)
)

# --- no urgency, no answers: low engagement -------------------------------------------------------

meetings_lapsed = (
    interactions("meeting_booked", "demo_booked", "visit_booked", "appointment_booked")
    .unfollowed(interactions(*_HELD), within_days=30, last_days=[180])
    .says(
        "{n} booked meeting did not take place within a month",
        "{n} booked meetings did not take place within a month",
    )
    .warns("low_engagement", unless="moved_by_us_90d")
)
trials_unused = (
    interactions("trial_started")
    .unfollowed(interactions("trial_used*", "feature_used*", "login*"), within_days=14)
    .says("{n} trial was not used within two weeks", "{n} trials were not used within two weeks")
    .warns("low_engagement")
)
timeline_told = (
    lead_changes("*timeline*", "*timing*", "*time_frame*")
    .count()
    .says("told {n} time when they want to buy", "told {n} times when they want to buy")
    .warns("low_engagement", side="low")
)
timeline_far = (
    lead_changes("*timeline*", "*timing*", "*time_frame*")
    .last_listed("value", "far_off")
    .says("wants to buy much later, if at all")
    .warns("low_engagement")
)

# --- outside the profile --------------------------------------------------------------------------

no_money = (
    lead_changes("*budget*", "*resource*")
    .last_listed("value", "no")
    .says("has no budget for it")
    .warns("outside_profile")
)
free_mail = (
    attribute("email_domain")
    .is_listed("free_mail")
    .says("writes from a free mail address")
    .warns("outside_profile")
)
university_mail = (
    attribute("email_domain")
    .is_listed("university")
    .says("writes from a university")
    .warns("outside_profile")
)
competitor_mail = (
    attribute("email_domain")
    .is_listed("competitor")
    .says("writes from a competitor")
    .warns("outside_profile", strong=True)
)
student_role = (
    attribute("role")
    .is_listed("student_role")
    .says("is a student or a researcher")
    .warns("outside_profile")
)
competitor_contacts = (
    contacts()
    .where("domain", listed="competitor")
    .count()
    .says("{n} contact at a competitor", "{n} contacts at a competitor")
    .warns("outside_profile", strong=True)
)
student_contacts = (
    contacts()
    .where("domain", listed="university")
    .count()
    .says("{n} contact at a university", "{n} contacts at a university")
    .warns("outside_profile")
)

# --- what is said in notes, mails and chats: words.toml -------------------------------------------

_SAID = interactions(
    *("note*", "call*", "phone*", "meeting*", "demo*", "visit_*", "email_rec*", "email_rep*"),
    *("email_in*", "chat*", "message*", "sms*", "whatsapp*", "form_*", "*_question", "*_request"),
).not_by_machine()
_ASKED = interactions(direction="inbound").not_by_machine()

price_talk = (
    _SAID.mentions("price")
    .count()
    .says("the price came up {n} time", "the price came up {n} times")
)
discount_talk = (
    _SAID.mentions("discount")
    .count()
    .says("a discount came up {n} time", "a discount came up {n} times")
    .warns("busy_without_progress")
)
free_talk = (
    _SAID.mentions("free")
    .count()
    .says("something for free came up {n} time", "something for free came up {n} times")
    .warns("busy_without_progress")
)
student_talk = (
    _SAID.mentions("student")
    .count()
    .says("studies came up {n} time", "studies came up {n} times")
    .warns("outside_profile")
)
competitor_talk = (
    _SAID.mentions("competitor")
    .count()
    .says("other suppliers came up {n} time", "other suppliers came up {n} times")
)
no_budget_talk = (
    _SAID.mentions("no_budget")
    .count()
    .says("a lack of money came up {n} time", "a lack of money came up {n} times")
    .warns("outside_profile")
)
not_now_talk = (
    _SAID.mentions("not_now")
    .count()
    .says("“not now” came up {n} time", "“not now” came up {n} times")
    .warns("low_engagement")
)
deadline_talk = (
    _SAID.mentions("deadline")
    .count()
    .says("a date to keep came up {n} time", "a date to keep came up {n} times")
)
decision_talk = (
    _SAID.mentions("decision")
    .count()
    .says("their decision came up {n} time", "their decision came up {n} times")
)
next_step_talk = (
    _ASKED.mentions("next_step").last_on().says("wrote on {date} about the next step").earnest()
)
payment_talk = _ASKED.mentions("payment").last_on().says("wrote on {date} about paying").earnest()
positive_talk = _SAID.mentions("positive").last_on().says("positive words on {date}").earnest()

# --- the sale is near -----------------------------------------------------------------------------

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
    .earnest()
)
committed = (
    interactions(
        "*commitment*", "*agreed*", "*verbal_yes*", "*letter_of_intent*", "*positive_feedback*"
    )
    .last_on()
    .says("spoke for us on {date}")
    .earnest()
)
consultation = (
    interactions("*consultation_request*", "demo_request*", "meeting_request*", "call_request*")
    .last_on()
    .says("asked for a talk on {date}")
    .earnest()
)
booked = (
    interactions("meeting_booked", "demo_booked", "visit_booked", direction="inbound")
    .last_on()
    .says("booked a meeting on {date}")
    .earnest()
)
nps = interactions("nps*", "*survey*").last("grade").says("last recommendation grade {value}")
# A trial that is used, not only started.
trial_days = (
    interactions("trial_used*", "feature_used*", "app_*", "login*", "key_feature*")
    .active_days(last_days=[30])
    .says("used the trial on {n} day of {days}", "used the trial on {n} days of {days}")
    .earnest()
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
    .distinct("feature", last_days=[30])
    .says("tried {n} key feature in {days} days", "tried {n} key features in {days} days")
    .earnest()
)
decider_joined = contacts(*_DECIDERS).first_on().says("decision maker joined on {date}").earnest()
