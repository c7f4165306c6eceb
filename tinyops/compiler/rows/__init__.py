"""Row-by-row execution of a stretch of operators, through lines of a few rows instead of whole tensors."""
