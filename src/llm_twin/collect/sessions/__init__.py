"""Being signed in where the author is: saved cookies of a site, how they come about, and where they may be sent."""
