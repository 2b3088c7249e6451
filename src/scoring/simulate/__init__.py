"""A simulated sales organisation whose truth is known.

The map:

    kinds         who the leads are: their pace, their chances, what they do
    calendar      when people work and when customers are awake (Europe/Helsinki)
    chain         the Markov chain of a lead's state, and the exact chance of winning from it
    leads         one chunk of leads: traits, attributes, sellers
    journeys      the way of each lead through the stages, until it is decided
    interactions  what is seen of a journey: mail, calls, meetings, visits, trials
    records       the smaller histories: stages, fields, contacts, outcomes, merges
    tables        schemas, identifiers, Parquet
    run           all chunks, and the truth beside them: `simulate`
"""

from scoring.simulate.run import simulate

__all__ = ["simulate"]
