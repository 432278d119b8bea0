"""What every request meets, whatever its route: hooks, keys, rate limits, logs, errors."""
