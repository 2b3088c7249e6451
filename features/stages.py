"""How far along the pipeline, and since when."""

from scoring import stage_changes

moves = (
    stage_changes()
    .count(last_days=[30, 90])
    .says("{n} stage change in {days} days", "{n} stage changes in {days} days")
)
moves_ever = stage_changes().count().says("{n} stage change so far", "{n} stage changes so far")
stage = stage_changes().last("stage").says("now in stage {value}")
in_stage = stage_changes().last_on().says("in this stage since {date}")
stages_seen = (
    stage_changes()
    .distinct("stage")
    .says("{n} different stage so far", "{n} different stages so far")
)
reached = stage_changes().each_type().last_on().says("reached {name} on {date}")
