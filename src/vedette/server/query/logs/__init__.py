"""Questions about log lines: Lucene-style text to SQL, pages, counts, surroundings, and the live tail."""
