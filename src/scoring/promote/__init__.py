"""Who scores: what a change of champion would do, what people insist on, and the change itself."""
