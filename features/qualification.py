"""What is known of budget, authority, need and timeline, and how steady the answers are.

BANT and MEDDIC are fields of the lead with a history: known or not, changed back and forth, moved.
Whoever asked, a seller, a form or a chatbot: name their answers as fields in the staging SQL of
`lead_changes`. What the fields say is in `fit.py`.
"""

from scoring import interactions, lead_changes

_ANSWERS = (
    *("*budget*", "*authority*", "*decision*", "*need*", "*pain*", "*timeline*", "*timing*"),
    *("*metric*", "*economic_buyer*", "*criteria*", "*process*", "*champion*", "*competitor*"),
    *("*interest*", "*company_size*", "*employees*", "*industry*", "*phone*"),
)

answers = (
    lead_changes(*_ANSWERS)
    .distinct("field")
    .says("{n} question of qualification answered", "{n} questions of qualification answered")
    .warns("low_engagement", side="low")
)
last_answer = lead_changes(*_ANSWERS).last_on().says("last qualified on {date}")
mind_changed = (
    lead_changes(*_ANSWERS).changes("value").says("changed {n} answer", "changed {n} answers")
)
contradicted = (
    lead_changes(*_ANSWERS)
    .returns("value")
    .says("went back on {n} answer", "went back on {n} answers")
    .warns("busy_without_progress")
)
close_expected = (
    lead_changes("*expected_close*", "*close_date*")
    .ahead("number")
    .says("expected to decide by {date}")
)
close_postponed = (
    lead_changes("*expected_close*", "*close_date*")
    .rises("number", last_days=[180])
    .says(
        "close date put off {n} time in {days} days", "close date put off {n} times in {days} days"
    )
    .warns("low_engagement", strong=True)
)
amount_cut = (
    lead_changes("amount")
    .falls("number")
    .says("amount lowered {n} time", "amount lowered {n} times")
)
amount_raised = (
    lead_changes("amount").rises("number").says("amount raised {n} time", "amount raised {n} times")
)
owners = (
    lead_changes("owner_id")
    .distinct("value")
    .says("{n} of us has looked after the lead", "{n} of us have looked after the lead")
)
forms = (
    interactions("form_*", "chatbot_*", "survey_*")
    .count()
    .says("filled in {n} form", "filled in {n} forms")
)
