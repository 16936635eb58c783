"""What a browser gets: pages, their parts and forms, and what stands before each."""
