"""How servers are reached: HTTP, TLS, Redis and PostgreSQL, with waits that end when the run is stopped."""
