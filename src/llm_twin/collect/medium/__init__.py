"""Medium's pages: the state that they carry, and the lists of profiles and publications."""
