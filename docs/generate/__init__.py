"""The pages that come from the code: the API, the problems, and the tables within the guides."""
