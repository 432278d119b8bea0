"""Safe downloads: strict URLs, public addresses only, bounded in time and bytes."""
