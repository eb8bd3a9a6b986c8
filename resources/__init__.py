"""Resources: what assets, checks and IO managers are given; each builds one object of the core."""
