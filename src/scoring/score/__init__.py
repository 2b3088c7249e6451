"""score: the champion's output for the leads open as of a moment, as sellers read it.

scale       probability -> score, grade, rank, trend
attention   who waits, who was never tried
sentences   a column and its value -> the seller's sentence
reasons     contributions -> `why`
rows        all of it -> the score table
"""
