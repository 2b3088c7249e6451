"""score: the champion's output for the leads open as of a moment, as sellers read it.

Row by row, on one machine or many:

scale       probability -> score; score -> grade, temperature; rank
attention   who waits, who was never tried
sentences   a column and its value -> the seller's sentence
reasons     contributions -> `why`
flagged     a flag's signs and what would end it, in sentences
rows        all of it -> rows

Then for the whole run, beside the runs before:

trend       what moved a score since an earlier run
recycling   who rests after a refusal, who came back
next_step   the team's table of conditions -> the next step
worklist    the day's work of each owner
night       all of it -> the score table
"""
