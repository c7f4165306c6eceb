"""Which variant of a model a board gets: what each costs there, the decision, and the steps that make both."""
