"""Files behind URLs, with time limits and bounded retries, and the secrets that open them."""
