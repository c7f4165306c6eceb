"""What a release holds, for people: tables of models and boards."""
