"""Every table of out/analytics with what each of its columns means.

Shares are between 0 and 1, days and hours may have fractions, times are UTC, money is in the
history's own unit. An empty cell is not known, or cannot be said of so few.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """One table: what it answers, when a row or the whole table is missing, and its columns in
    their order."""

    answers: str
    missing: str
    columns: dict[str, str]


_SOURCE_KIND = "word_of_mouth, inbound, outbound, other (fits no pattern), unknown (no source); all"
_POSITION = "place of the stage in the order valid then, from 1; empty: outside of the order"
_GRADE_A = {
    "lead_id": "the lead",
    "owner_id": "its seller",
    "source_kind": "kind of its source",
    "stage": "the stage that it is in; empty: none known",
    "score": "tonight's score",
    "grade": "tonight's grade, A",
    "probability": "tonight's probability",
    "attention": "tonight's attention",
    "created_at": "when the lead was created",
    "age_days": "days since then",
    "ours": "our outbound interactions with it, ever",
    "theirs": "its inbound interactions, ever",
    "last_theirs_at": "the newest of these; empty: none",
    "hours": "hours of ours in the period",
}
_VERDICTS = {
    "verdicts": "verdicts in the period",
    "agree": "of them: agree",
    "too_high": "of them: the score is too high",
    "too_low": "of them: the score is too low",
    "not_a_tire_kicker": "of them: the flag is wrong",
    "agreement": "agree / verdicts",
    "ended_since": "verdicts other than agree on leads that have ended since",
    "borne_out": "of these: too_high and not won, or too_low or not_a_tire_kicker and won",
    "borne_out_share": "borne_out / ended_since",
}

TABLES: dict[str, Table] = {
    "stages": Table(
        "How many leads go on from each stage, and how many of those that reached it are won?",
        "A stage that no lead entered in the period has no row; without stage_changes there is "
        "none.",
        {
            "position": _POSITION,
            "stage": "name in the CRM; unknown: outside of the order",
            "reached": "leads that first entered it in the period",
            "advanced": "of them: reached a stage further on later, or were won",
            "ended_here": "of them: ended in it without a sale",
            "undecided": "of them: still open and not advanced, wherever they are",
            "here_now": "of them: in it tonight",
            "conversion": "advanced / (reached - undecided)",
            "won": "of those that reached it: won",
            "closed": "of those that reached it: ended",
            "win_rate": "won / closed",
        },
    ),
    "dwell": Table(
        "How long do leads stay in each stage, against those that were won?",
        "A stage that nobody is in and nobody entered in the period has no row. With fewer than "
        "five won leads a stage has no usual time.",
        {
            "position": _POSITION,
            "stage": "name in the CRM",
            "buyers": "leads won in the period that had been in it",
            "usual_days": "median days that these spent in it, all stays together",
            "slow_days": "days after which three of four of these had left it",
            "here_now": "open leads that are in it tonight",
            "here_now_days": "median days that these have spent in it so far",
            "slow_now": "of these: longer than slow_days",
            "slow_share": "slow_now / here_now",
        },
    ),
    "velocity": Table(
        "How fast does the pipeline turn leads into money, month by month?",
        "Months before the first lead have no row. A month without a sale has no deal, no cycle "
        "and no velocity.",
        {
            "month": "month of the project's time zone, such as 2026-10",
            "complete": "whether the month was over",
            "created": "leads created in it",
            "open_at_start": "leads open when it began",
            "closed": "leads that ended in it",
            "won": "of these: won",
            "win_rate": "won / closed",
            "average_deal": "mean amount of the won leads whose amount is known",
            "cycle_days": "median days from creation to sale of the won leads",
            "velocity_per_day": "open_at_start × win_rate × average_deal / cycle_days",
        },
    ),
    "bottlenecks": Table(
        "Where do leads stand still or fall out, worst first?",
        "A stage in which nobody is slow and nobody ended has no row.",
        {
            "rank": "1 is the worst, by the sum of the two shares",
            "position": _POSITION,
            "stage": "name in the CRM",
            "here_now": "open leads that are in it tonight",
            "slow_now": "of these: longer than slow_days of the table dwell",
            "days_over": "days that these are beyond usual_days, added up",
            "share_of_days_over": "share of that sum over all stages",
            "ended_here": "leads that ended in it without a sale in the period",
            "share_of_ends": "share of those over all stages",
        },
    ),
    "touches": Table(
        "How many touches does it take until the first sale?",
        "A kind of source without a sale in the period has no row. Where the history tells no "
        "direction, every interaction counts as a touch and answers are 0.",
        {
            "source_kind": _SOURCE_KIND,
            "sales": "leads won in the period that are the first sale of their person",
            "touches": "median number of our outbound interactions before the sale",
            "touches_p25": "a quarter of the sales needed at most so many",
            "touches_p75": "three quarters needed at most so many",
            "touches_p90": "nine of ten needed at most so many",
            "answers": "median number of inbound interactions before the sale",
            "days": "median days from creation to the sale",
        },
    ),
    "sources": Table(
        "Which kinds of sources, and which sources, bring leads that buy?",
        "A source without a lead created in the period has no row.",
        {
            "source_kind": _SOURCE_KIND,
            "source": "name in the CRM; all: the whole kind",
            "leads": "leads created in the period",
            "open": "of them: open",
            "closed": "of them: ended",
            "won": "of them: won",
            "conversion": "won / closed; leads that are still open have not said yet",
            "average_deal": "mean amount of the won leads whose amount is known",
            "cycle_days": "median days from creation to sale",
            "hours": "hours of ours that went into these leads",
            "hours_per_won": "hours / won",
        },
    ),
    "channels": Table(
        "What does a won lead cost, by channel?",
        "A channel has a row only where its cost is known: from `[[analytics.spend]]`, or from a "
        "number `cost` of the leads themselves.",
        {
            "source": "name in the CRM",
            "basis": "spend: entered in scoring.toml; lead: the cost of its leads, added up",
            "cost": "money; of a period that is not over, the part up to the logical date",
            "leads": "leads of the source created in the periods paid for; lead: with a cost",
            "won": "of them: won",
            "cost_per_lead": "cost / leads",
            "cost_per_won": "cost / won; empty without a sale",
        },
    ),
    "completeness": Table(
        "Which fields of the lead cards are filled?",
        "A field that no lead has filled has no row.",
        {
            "field": "column of the leads",
            "open": "open leads",
            "open_filled": "share of these with a value",
            "won": "leads won in the period",
            "won_filled": "share of these with a value",
            "ended": "leads that ended in the period without a sale",
            "ended_filled": "share of these with a value",
        },
    ),
    "cards": Table(
        "Do leads with complete cards buy more often?",
        "A band without a lead has no row.",
        {
            "fields_filled": "how many fields of the card are filled: 0-2, 3-5, 6 or more",
            "open": "open leads",
            "closed": "leads that ended in the period",
            "won": "of these: won",
            "conversion": "won / closed",
        },
    ),
    "unworked": Table(
        "Which leads of the best grade has nobody tried to reach?",
        "Only scored leads of grade A without any outbound interaction have a row.",
        _GRADE_A,
    ),
    "silent": Table(
        "Which leads of the best grade never did anything themselves?",
        "Only scored leads of grade A without any inbound interaction have a row; none where the "
        "history tells no direction.",
        _GRADE_A,
    ),
    "deals": Table(
        "How large is a deal?",
        "A kind of source without a sale in the period has no row.",
        {
            "source_kind": _SOURCE_KIND,
            "won": "leads won in the period",
            "with_amount": "of them: with a known amount",
            "average_deal": "mean of the known amounts",
            "median_deal": "their median",
            "p90_deal": "nine of ten are at most so large",
            "total": "their sum",
        },
    ),
    "effort": Table(
        "How many hours of ours went into leads that never moved, by kind and source?",
        "Without any interaction that takes us time in the period there is no row. It is never by "
        "person.",
        {
            "attention": "what is said of the lead tonight; ended; not_scored; all",
            "source_kind": _SOURCE_KIND,
            "leads": "leads that we spent time on in the period",
            "hours": "hours of ours, as far as durations are known",
            "never_moved_leads": "of the leads: never got beyond their first stage",
            "never_moved_hours": "hours spent on these",
            "never_moved_share": "never_moved_hours / hours",
        },
    ),
    "effort_types": Table(
        "What were these hours, and how much time is not recorded?",
        "A type of interaction that takes us no time has no row.",
        {
            "type": "type of interaction; all",
            "timed": "interactions of the period with a duration",
            "untimed": "those without: their time is not in the hours",
            "hours": "hours of ours",
            "never_moved_hours": "of these: spent on leads that never moved",
            "never_moved_share": "never_moved_hours / hours",
        },
    ),
    "forecast": Table(
        "What will the open leads bring, with and without those that are flagged?",
        "There are always three rows. Without any amount the money is empty.",
        {
            "leads": "all; not_flagged; flagged",
            "n": "scored leads",
            "with_amount": "of them: with an amount of their own",
            "open_amount": "amounts of all of them; the average deal of the kind where unknown",
            "expected_won": "sum of the probabilities",
            "expected_won_low": "lower end of the 90 % interval of the number that will be won",
            "expected_won_high": "upper end",
            "expected_amount": "sum of probability × amount",
            "expected_amount_low": "lower end of the 90 % interval",
            "expected_amount_high": "upper end",
        },
    ),
    "feedback_sellers": Table(
        "How far do sellers agree with the scores, each of them?",
        "A seller without a verdict in the period has no row.",
        {"given_by": "who gave the verdict, as the CRM names them", **_VERDICTS},
    ),
    "feedback_segments": Table(
        "Where do sellers disagree with the scores?",
        "A segment without a verdict in the period has no row.",
        {
            "segment_by": "source_kind, grade (when the verdict was given), stage (then)",
            "segment": "its value; unknown: there was none",
            **_VERDICTS,
        },
    ),
    "feedback_outcomes": Table(
        "Who was right: what became of the leads that sellers judged?",
        "A verdict that nobody gave in the period has no row.",
        {
            "verdict": "agree, too_high, too_low, not_a_tire_kicker",
            "given": "verdicts in the period",
            "open": "of them: the lead has not ended since",
            "ended_since": "of them: the lead has ended since",
            "won": "of these: won",
            "won_share": "won / ended_since",
            "probability_then": "mean probability that the newest score before had said",
        },
    ),
}
