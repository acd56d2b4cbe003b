"""LinkedIn's pages, walked and read: posts in the layouts of several years, articles, their numbers."""
