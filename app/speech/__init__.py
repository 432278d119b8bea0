"""One speech service behind every route: an order in, a stream of events out.  No Flask here."""
