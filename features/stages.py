"""How far along the pipeline, how fast, and since when."""

from scoring import stage_changes

moves = (
    stage_changes()
    .count(last_days=[30, 90])
    .says("{n} stage change in {days} days", "{n} stage changes in {days} days")
)
moves_ever = stage_changes().count().says("{n} stage change so far", "{n} stage changes so far")
stage = stage_changes().last("stage").says("now in stage {value}")
in_stage = stage_changes().entered_on().says("in this stage since {date}")
furthest = stage_changes().furthest().says("came as far as {value}")
stages_seen = (
    stage_changes()
    .distinct("stage")
    .says("{n} different stage so far", "{n} different stages so far")
)
backward = (
    stage_changes()
    .backward()
    .says("fell back {n} time", "fell back {n} times")
    .warns("busy_without_progress")
)
skipped = stage_changes().skipped().says("passed over {n} stage", "passed over {n} stages")
usual_stay = (
    stage_changes().gap_mean().says("usually {n} day in a stage", "usually {n} days in a stage")
)
reached = stage_changes().each_type().last_on().says("on {date} reached {name}")
stay = stage_changes().each_type().dwell().says("time spent in stage {name}")
